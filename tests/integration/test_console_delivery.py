"""How answers travel: compressed where that is safe, kept for good where the address names the content, timed."""

import base64
import gzip
import re
from types import SimpleNamespace

import pytest

from console.app import create_app
from console.forged_forms import KEY
from console.static_files import OTHER_S
from tests.integration.console_visitor import add_visitor, signed_in
from tests.integration.workplace import add_conversation

OURS = {"Accept-Encoding": "gzip, br", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def app(settings):
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture
def ann(app, owner, tenant_ids):
    return signed_in(app, add_visitor(owner, tenant_ids["acme"], role="admin"))


def static_addresses(answer):
    return re.findall(r'(?:href|src)="(/static/[^"]+)"', answer.text)


def test_addresses_of_static_files_name_their_content_and_are_kept_for_good(app, ann):
    addresses = static_addresses(ann.get("/inbox"))
    assert len(addresses) >= 3 and all(re.search(r"\?v=[0-9a-f]{12}$", one) for one in addresses)
    for address in addresses:
        kept = ann.client.get(address)
        assert kept.status_code == 200 and "immutable" in kept.headers["Cache-Control"], address
        other = ann.client.get(re.sub(r"v=.*", "v=000000000000", address))
        assert other.headers["Cache-Control"] == f"public, max-age={OTHER_S}"


def test_static_files_are_compressed_for_who_takes_it_and_the_same_for_who_does_not(ann):
    address = next(one for one in static_addresses(ann.get("/inbox")) if ".css" in one)
    plain = ann.client.get(address)
    packed = ann.client.get(address, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers and packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data and len(packed.data) < len(plain.data) / 2
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    head = ann.client.head(address, headers={"Accept-Encoding": "gzip"})
    assert head.data == b"" and int(head.headers["Content-Length"]) == len(packed.data)
    for asked in ({}, {"Accept-Encoding": "gzip"}):
        again = ann.client.get(address, headers={**asked, "If-None-Match": packed.headers["ETag"]})
        assert again.status_code == 304 and again.data == b"" and "immutable" in again.headers["Cache-Control"]


def test_what_lies_outside_the_static_folder_has_no_address(ann):
    assert ann.client.get("/static/../app.py").status_code == 404
    assert ann.client.get("/static/none.css").status_code == 404


def test_a_page_is_compressed_only_when_our_own_site_or_the_person_asks(ann, owner, tenant_ids):
    add_conversation(owner, tenant_ids["acme"])
    plain = ann.client.get("/inbox?tag=guess")
    assert "Content-Encoding" not in plain.headers
    for site, is_compressed in (("same-origin", True), ("none", True), ("same-site", False), ("cross-site", False)):
        page = ann.client.get("/inbox?tag=guess", headers={"Accept-Encoding": "gzip", "Sec-Fetch-Site": site})
        assert (page.headers.get("Content-Encoding") == "gzip") is is_compressed, site
        assert {"Accept-Encoding", "Sec-Fetch-Site"} <= set(page.vary)
        assert page.headers["Cache-Control"] == "no-store"
    assert b"</html>" in gzip.decompress(ann.client.get("/inbox", headers=OURS).data)
    assert "Content-Encoding" not in ann.client.get("/inbox", headers={"Sec-Fetch-Site": "none"}).headers


def test_the_length_of_a_compressed_page_varies_though_its_words_stay(ann):
    lengths = {len(ann.client.get("/nowhere", headers=OURS).data) for _ in range(12)}
    assert len(lengths) > 1


def test_each_answer_shows_the_forms_token_under_another_mask_and_takes_all_of_them(app, ann, owner, tenant_ids):
    conversation = add_conversation(owner, tenant_ids["acme"])
    shown = []
    for _ in range(2):
        page = ann.get("/inbox")
        assert len(set(re.findall(r'name="csrf_token" value="([^"]+)"', page.text))) == 1
        shown.append(ann.token)
    with ann.client.session_transaction() as session:
        secret = session[KEY]
    assert shown[0] != shown[1] and not any(secret in one for one in shown)
    for token in shown:
        ann.token = token
        assert ann.post("/inbox", deed="claim", conversation=conversation).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "ä", "====", base64.urlsafe_b64encode(bytes(64)).decode(), "a" * 5000])
def test_what_is_no_token_under_a_mask_is_refused(ann, token):
    ann.token = token
    assert ann.post("/inbox", deed="claim").status_code == 400


def test_streams_are_never_compressed(ann, tenant_ids):
    stream = ann.client.get(f"/events?tenant={tenant_ids['acme']}", headers=OURS, buffered=False)
    assert "Content-Encoding" not in stream.headers and b"event: hello" in next(iter(stream.response))
    stream.close()
    table = ann.client.get("/admin/privacy/ledger.csv", headers=OURS)
    assert "Content-Encoding" not in table.headers and "created_at" in table.text


def test_every_answer_tells_how_long_it_took_and_is_counted_by_its_endpoint(ann):
    for path in ("/inbox", "/sign-in", "/api/v1/queues", "/healthz", "/nothing-here"):
        assert re.fullmatch(r"app;dur=\d+\.\d", ann.client.get(path).headers["Server-Timing"]), path
    metrics = ann.client.get("/metrics").text
    assert 'earshot_console_seconds_count{endpoint="inbox.show"}' in metrics
    assert 'earshot_console_seconds_count{endpoint="none"}' in metrics and "nothing-here" not in metrics


def test_a_slow_answer_is_logged_without_its_address(ann, monkeypatch):
    said = []
    log = SimpleNamespace(warning=lambda event, **values: said.append((event, values)))
    monkeypatch.setattr("console.timing.log", log)
    monkeypatch.setattr("console.timing.SLOW_S", 0.0)
    ann.client.get("/inbox?tag=a-persons-name")
    ((event, values),) = said
    assert (event, values["endpoint"], values["status"]) == ("page_slow", "inbox.show", 200)
    assert "a-persons-name" not in str(values)
