"""/admin/webhooks: what people see of webhooks and what admins do there, without scripts."""

import html
import re

import pytest

from channels.guarded_http import GuardedHttp
from console.app import create_app
from console.webhook_sample import SAMPLE, VERIFY
from tests.conftest import ROOT
from tests.http_receiver import HttpReceiver
from tests.integration.console_visitor import add_visitor, signed_in, words
from tests.integration.webhook_desk import alarm, deliveries, header, is_signed, serve, subscribe

PAGE = "/admin/webhooks"


@pytest.fixture
def endpoint():
    receiver = HttpReceiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def deps(deps):
    deps.__dict__["guarded_http"] = GuardedHttp(timeout_s=1, allow_private_addresses=True)
    return deps


@pytest.fixture(params=[False])
def app(request, settings):
    app = create_app({}, settings=settings.model_copy(update={"allow_private_urls": request.param}))
    yield app
    app.extensions["database"].close()


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def enter(app, owner, acme):
    return lambda role="admin", tenant_id=None: signed_in(app, add_visitor(owner, tenant_id or acme, role=role))


private = pytest.mark.parametrize("app", [True], indirect=True)


def secret_of(answer):
    return re.search(r'class="secret"[^>]*>(whsec_[^<]+)<', answer.text).group(1)


def only_id(owner):
    return str(owner.execute("SELECT id FROM webhook_subscription").fetchone()[0])


@private
def test_an_admin_adds_one_tests_it_and_sees_what_became_of_it(enter, deps, owner, endpoint, acme):
    admin = enter()
    empty = admin.get(PAGE)
    assert "No program is told of anything yet" in words(empty) and "message.decided" in empty.text
    added = admin.post(PAGE, url=endpoint.url(), description="Shop <b>system</b>", kinds=["alert.raised"])
    secret, webhook = secret_of(added), f"{PAGE}/{only_id(owner)}"
    assert "<b>system" not in added.text
    tested = admin.post(f"{webhook}/deed", deed="test")
    assert "The test leaves within seconds" in words(tested)
    serve(deps)
    (got,) = endpoint.received
    assert is_signed(got, secret)
    seen = admin.get(webhook)
    assert "A test" in words(seen) and "arrived" in words(seen) and secret not in seen.text
    assert secret not in admin.get(PAGE).text


def test_what_is_wrong_is_said_and_what_was_typed_stays(enter, owner):
    admin = enter()
    for fields, said in (
        ({"url": "https://10.0.0.1/typed"}, "The address must begin with https://"),
        ({"url": "https://hooks.example.com/typed", "kinds": []}, "Choose one event or more"),
        ({"url": "https://hooks.example.com/typed", "kinds": ["nonsense"]}, "Choose one event or more"),
    ):
        refused = admin.post(PAGE, **{"description": "My <shop>", "kinds": ["label.corrected"], **fields})
        assert refused.status_code == 422 and said in words(refused)
        assert f'value="{fields["url"]}"' in refused.text and 'value="My &lt;shop&gt;"' in refused.text
    assert owner.execute("SELECT count(*) FROM webhook_subscription").fetchone() == (0,)


def test_a_form_that_is_sent_again_adds_none_and_makes_no_second_secret(enter, owner):
    admin = enter()
    form = {"url": "https://hooks.example.com/in", "description": "Shop", "kinds": ["alert.raised"]}
    admin.post(PAGE, **form)
    assert "There is one with this address" in words(admin.post(PAGE, **form))
    webhook = f"{PAGE}/{only_id(owner)}"
    rotated = admin.post(f"{webhook}/secret", seen="")
    assert secret_of(rotated) and "signs beside it until" in words(rotated)
    again = admin.post(f"{webhook}/secret", seen="")
    assert "It has changed since you looked" in words(again) and "whsec_" not in re.sub(
        r"<pre.*?</pre>", "", again.text, flags=re.S
    )
    seen = html.unescape(re.search(r'name="seen" value="([^"]+)"', again.text).group(1))
    assert secret_of(admin.post(f"{webhook}/secret", seen=seen)) != secret_of(rotated)


def test_supervisors_and_auditors_look_agents_stay_out_and_nobody_else_changes(enter, deps, owner, acme):
    webhook_id, _ = subscribe(deps, acme, "https://hooks.example.com/in?key=s3cr3t")
    for role in ("supervisor", "auditor"):
        person = enter(role)
        for path in (PAGE, f"{PAGE}/{webhook_id}"):
            seen = person.get(path)
            assert "hooks.example.com" in seen.text and "s3cr3t" not in seen.text and 'name="url"' not in seen.text
        for path, fields in (
            (PAGE, {"url": "https://hooks.example.com/x", "kinds": ["alert.raised"]}),
            (f"{PAGE}/{webhook_id}", {"url": "https://hooks.example.com/x", "kinds": ["alert.raised"]}),
            (f"{PAGE}/{webhook_id}/deed", {"deed": "remove"}),
            (f"{PAGE}/{webhook_id}/secret", {"seen": ""}),
            (f"{PAGE}/{webhook_id}/replay", {"since": "2026-01-01"}),
        ):
            assert person.post(path, **fields).status_code == 403
    assert enter("agent").get(PAGE).status_code == 403
    assert "s3cr3t" in enter().get(f"{PAGE}/{webhook_id}").text
    assert owner.execute("SELECT count(*) FROM webhook_subscription WHERE state = 'active'").fetchone() == (1,)


def test_another_tenants_webhook_does_not_exist(enter, deps, owner, tenant_ids):
    webhook_id, _ = subscribe(deps, tenant_ids["acme"], "https://hooks.example.com/in")
    stranger = enter(tenant_id=tenant_ids["other"])
    assert "hooks.example.com/in" not in stranger.get(PAGE).text
    assert stranger.get(f"{PAGE}/{webhook_id}").status_code == 404
    for path in ("", "/deed", "/secret", "/replay"):
        answer = stranger.post(f"{PAGE}/{webhook_id}{path}", deed="remove", seen="", since="2026-01-01")
        assert answer.status_code == 404
    assert enter().post(f"{PAGE}/{webhook_id}/deed", deed="nonsense").status_code == 400


@private
def test_deliveries_are_listed_by_state_and_told_again_one_or_all(enter, deps, owner, endpoint, acme):
    webhook_id, _ = subscribe(deps, acme, endpoint.url(), kinds=["alert.raised"])
    path = f"{PAGE}/{webhook_id}"
    for number in range(52):
        alarm(deps, acme, number)
    endpoint.answers(500, {})
    serve(deps)
    owner.execute(
        "UPDATE webhook_delivery SET state = 'failed', tries = 11, status = 500, error_code = '500', settled_at = now()"
    )
    admin = enter()
    first = admin.get(path, state="failed")
    assert first.text.count("Tell it again</button>") == 50
    older = html.unescape(re.search(r'href="([^"]+before=[^"]+)"', first.text).group(1))
    assert admin.get(older).text.count("Tell it again</button>") == 2
    assert "None." in words(admin.get(path, state="dropped"))
    assert admin.get(path, state="nonsense", before="1; DROP").status_code == 200
    one = re.search(r'name="delivery" value="([^"]+)"', first.text).group(1)
    assert "It is told again" in words(admin.post(f"{path}/replay", delivery=one))
    assert "nothing was changed" in words(admin.post(f"{path}/replay", delivery=one))
    assert "nothing was changed" in words(admin.post(f"{path}/replay", delivery="nonsense"))
    assert "Give a day" in words(admin.post(f"{path}/replay", since="yesterday"))
    assert "Nothing was given up" in words(admin.post(f"{path}/replay", since="2099-01-01"))
    assert "It is told again" in words(admin.post(f"{path}/replay", since="2026-01-01"))
    endpoint.answers(200, {})
    owner.execute("UPDATE webhook_subscription SET rests_until = '-infinity'")
    serve(deps)
    assert {state for state, *_ in deliveries(owner, webhook_id)} == {"delivered"}
    assert len({header(got, "webhook-id") for got in endpoint.received}) == 52


def test_pause_change_and_removal(enter, deps, owner, acme):
    webhook_id, _ = subscribe(deps, acme, "https://hooks.example.com/in", description="Old")
    admin, path = enter(), f"{PAGE}/{webhook_id}"
    assert "Paused. What happens meanwhile is not told later" in words(admin.post(f"{path}/deed", deed="pause"))
    assert "nothing was changed" in words(admin.post(f"{path}/deed", deed="pause"))
    assert "It is told again" in words(admin.post(f"{path}/deed", deed="resume"))
    form = {"url": "https://hooks.example.com/new", "description": "New", "kinds": ["alert.over"], "include_text": "on"}
    assert "Saved" in words(admin.post(path, **form))
    refused = admin.post(path, **form | {"url": "https://localhost/"})
    assert refused.status_code == 422 and 'value="https://localhost/"' in refused.text
    seen = admin.get(path)
    assert (
        "New" in words(seen)
        and 'value="https://hooks.example.com/new"' in seen.text
        and "and the summary" in words(seen)
    )
    assert "Removed" in words(admin.post(f"{path}/deed", deed="remove")) and admin.get(path).status_code == 404


@pytest.mark.parametrize("because", ["failing", "gone"])
def test_one_that_was_switched_off_says_why_and_what_to_do(enter, deps, owner, acme, because):
    webhook_id, _ = subscribe(deps, acme, "https://hooks.example.com/in")
    owner.execute(
        "UPDATE webhook_subscription SET state = 'paused', paused_because = %s, failures = 9, failing_since = now()",
        (because,),
    )
    seen = words(enter().get(f"{PAGE}/{webhook_id}"))
    assert "Start it again" in seen and "9 failures in a row" in seen
    assert ("five days" in seen) == (because == "failing")


def test_the_code_that_the_page_and_the_documentation_show_checks_real_requests(deps, endpoint, acme):
    page = (ROOT / "docs/webhooks.md").read_text()
    assert VERIFY in page and SAMPLE in page
    _, secret = subscribe(deps, acme, endpoint.url())
    alarm(deps, acme, 1)
    serve(deps)
    names = {}
    exec(VERIFY, names)
    (got,) = endpoint.received
    headers = {name.lower(): value for name, value in got.headers.items()}
    assert names["is_ours"](headers, got.body, secret)
    assert not names["is_ours"](headers, got.body + b" ", secret)
    assert not names["is_ours"](headers | {"webhook-timestamp": "1"}, got.body, secret)
