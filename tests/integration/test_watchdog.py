"""Channel accounts that fall silent, lose their webhooks or their token: people hear of it, once, and until it is over."""

import httpx2
import pytest

from config.tenant_file import parse_tenant_file
from store.channel_accounts import get_sending_account
from store.health import list_findings
from store.tenants import apply_tenant
from tests.conftest import ACME
from webhook_receiver.activity import Activity
from worker.watchdog import refresh_tokens, watch_channels


@pytest.fixture(autouse=True)
def watched(owner):
    """The template's accounts were applied before there was anything to watch."""
    owner.execute(
        """
        INSERT INTO channel_health (channel_account_id, tenant_id) SELECT id, tenant_id FROM channel_account
        ON CONFLICT DO NOTHING
        """
    )


def account_id(owner, kind="whatsapp", slug="acme"):
    query = "SELECT a.id FROM channel_account a JOIN tenant t ON t.id = a.tenant_id WHERE a.kind = %s AND t.slug = %s"
    return owner.execute(query, (kind, slug)).fetchone()[0]


def be_active(owner, account, *, until_h, days=14, hours=range(8, 20)):
    """Webhooks in these hours of every day of the last `days`, the last one `until_h` hours ago."""
    owner.execute(
        """
        INSERT INTO channel_activity (channel_account_id, tenant_id, hour, webhooks)
        SELECT a.id, a.tenant_id, date_trunc('hour', at), 5
        FROM channel_account a, generate_series(now() - make_interval(days => %s), now() - make_interval(hours => %s), '1 hour') at
        WHERE a.id = %s AND (extract(epoch FROM now() - at) / 3600)::int %% 24 = ANY(%s)
        ON CONFLICT DO NOTHING
        """,
        (days, until_h, account, list(hours)),
    )
    owner.execute(
        """
        UPDATE channel_health SET last_webhook_at = now() - make_interval(hours => %s), next_inspection_at = now() + interval '1 day'
        WHERE channel_account_id = %s
        """,
        (until_h, account),
    )


def open_alerts(owner):
    return owner.execute("SELECT kind FROM alert WHERE resolved_at IS NULL ORDER BY kind").fetchall()


def problems(database):
    with database.system_transaction() as conn:
        return [finding.problem for finding in list_findings(conn)]


@pytest.fixture
def quiet(owner):
    """Nobody is to be asked about tokens."""
    owner.execute("UPDATE channel_health SET next_inspection_at = now() + interval '1 day'")


def test_silence_for_longer_than_ever_is_an_alert_until_a_webhook_comes(deps, owner, database, quiet):
    silent, busy = account_id(owner), account_id(owner, "instagram")
    be_active(owner, silent, until_h=40)
    be_active(owner, busy, until_h=8)
    watch_channels(deps)
    watch_channels(deps)
    assert open_alerts(owner) == [("channel_silent",)]
    assert any("has got no webhook since" in problem for problem in problems(database))
    activity = Activity(database)
    activity.note([("whatsapp", "111000111")])
    activity.flush()
    watch_channels(deps)
    assert open_alerts(owner) == []


def test_a_night_as_every_night_is_no_silence(deps, owner, quiet):
    be_active(owner, account_id(owner), until_h=12, hours=range(12, 24))
    be_active(owner, account_id(owner, "instagram"), until_h=1, hours=range(24))
    watch_channels(deps)
    assert open_alerts(owner) == []


def test_a_weekend_as_every_weekend_is_no_silence(deps, owner, quiet):
    be_active(owner, account_id(owner), until_h=60)
    owner.execute(
        "DELETE FROM channel_activity WHERE hour BETWEEN now() - interval '10 days' AND now() - interval '7 days'"
    )
    be_active(owner, account_id(owner, "instagram"), until_h=8)
    watch_channels(deps)
    assert open_alerts(owner) == []


@pytest.mark.parametrize(("days", "hours"), [(2, range(24)), (14, range(1))])
def test_a_new_or_rare_account_is_not_judged(deps, owner, quiet, days, hours):
    be_active(owner, account_id(owner), until_h=40, days=days, hours=hours)
    watch_channels(deps)
    assert open_alerts(owner) == []


def test_when_all_are_silent_the_fault_is_looked_for_on_our_side(deps, owner, database, quiet):
    for kind in ("whatsapp", "instagram"):
        be_active(owner, account_id(owner, kind), until_h=40)
    watch_channels(deps)
    assert open_alerts(owner) == []
    assert problems(database) == ["no webhook has come to any account for longer than usual"]


def test_counts_of_two_processes_add_up_and_strangers_are_nobody(owner, database):
    for _ in range(2):
        activity = Activity(database)
        activity.note([("whatsapp", "111000111"), ("whatsapp", "999")])
        activity.flush()
    assert owner.execute("SELECT sum(webhooks) FROM channel_activity").fetchone() == (2,)


def script(standins, *steps):
    httpx2.post(f"{standins['graph']}/_script", json={"steps": list(steps)})


DEAD = {"status": 401, "body": {"error": {"code": 190, "message": "Session has expired"}}}


def test_a_dead_token_is_an_alert_until_it_lives_again(deps, owner, database, standins):
    owner.execute("UPDATE channel_health SET next_inspection_at = now() + interval '1 day'")
    owner.execute("UPDATE channel_account SET sends_blocked_because = 'graph_190' WHERE id = %s", (account_id(owner),))
    script(standins, {**DEAD, "method": "GET"})
    watch_channels(deps)
    assert open_alerts(owner) == [("token_dead",)]
    assert any("has a token that Meta refuses" in problem for problem in problems(database))
    owner.execute("UPDATE channel_health SET next_inspection_at = now()")
    watch_channels(deps)
    assert open_alerts(owner) == []
    assert owner.execute("SELECT count(*) FROM channel_account WHERE sends_blocked_because IS NOT NULL").fetchone() == (
        0,
    )


def test_every_account_is_asked_once_a_day(deps, owner, standins):
    watch_channels(deps)
    asked = len(httpx2.get(f"{standins['graph']}/_received").text.splitlines())
    watch_channels(deps)
    assert asked >= 3
    assert len(httpx2.get(f"{standins['graph']}/_received").text.splitlines()) == asked


def test_webhooks_that_were_switched_off_are_an_alert_each_time(deps, owner, standins, database):
    def ask():
        owner.execute("UPDATE channel_health SET next_inspection_at = now() + interval '1 day'")
        owner.execute(
            "UPDATE channel_health SET next_inspection_at = now() WHERE channel_account_id = %s",
            (account_id(owner, "instagram"),),
        )
        watch_channels(deps)

    url = f"{standins['graph']}/v26.0/17841400000000111/subscribed_apps"
    for _ in range(2):
        httpx2.delete(url, headers={"Authorization": "Bearer x"})
        ask()
        assert open_alerts(owner) == [("webhooks_disabled",)]
        httpx2.post(url, headers={"Authorization": "Bearer x"})
        ask()
        assert open_alerts(owner) == []


def token_of(database, keyring, tenant_ids):
    with database.tenant_transaction(tenant_ids["acme"]) as conn:
        sender = get_sending_account(
            conn, tenant_ids["acme"], kind="instagram", account_id="17841400000000111", keyring=keyring
        )
        return sender.account.access_token


def due_for_refresh(owner):
    owner.execute(
        "UPDATE channel_health SET next_refresh_at = now() WHERE channel_account_id = %s",
        (account_id(owner, "instagram"),),
    )


def test_an_instagram_token_is_refreshed_and_used_from_then_on(deps, owner, database, keyring, tenant_ids):
    due_for_refresh(owner)
    refresh_tokens(deps)
    refreshed = token_of(database, keyring, tenant_ids)
    assert refreshed.startswith("standin-")
    refresh_tokens(deps)
    assert token_of(database, keyring, tenant_ids) == refreshed
    row = owner.execute(
        "SELECT token_expires_at > now() + interval '59 days', next_refresh_at > now() + interval '29 days' "
        "FROM channel_health WHERE channel_account_id = %s",
        (account_id(owner, "instagram"),),
    ).fetchone()
    assert row == (True, True)


def apply(database, keyring, text):
    with database.system_transaction() as conn:
        apply_tenant(conn, parse_tenant_file(text, source="t", environ={}), keyring=keyring)


def test_applying_the_same_file_again_keeps_the_refreshed_token(deps, owner, database, keyring, tenant_ids):
    apply(database, keyring, ACME)
    due_for_refresh(owner)
    refresh_tokens(deps)
    refreshed = token_of(database, keyring, tenant_ids)
    apply(database, keyring, ACME)
    assert token_of(database, keyring, tenant_ids) == refreshed
    apply(database, keyring, ACME.replace("acme-token", "a-new-token"))
    assert token_of(database, keyring, tenant_ids) == "a-new-token"


def test_when_the_refreshed_token_is_dead_the_files_own_is_tried_again(deps, owner, database, keyring, tenant_ids):
    apply(database, keyring, ACME)
    due_for_refresh(owner)
    refresh_tokens(deps)
    owner.execute("UPDATE channel_health SET token_state = 'dead'")
    apply(database, keyring, ACME)
    assert token_of(database, keyring, tenant_ids) == "acme-token"


def test_a_refresh_that_fails_comes_again_later_and_an_ageing_token_is_an_alert(deps, owner, database, standins, quiet):
    due_for_refresh(owner)
    owner.execute(
        "UPDATE channel_health SET token_expires_at = now() + interval '9 days' WHERE channel_account_id = %s",
        (account_id(owner, "instagram"),),
    )
    script(standins, {"status": 500, "body": {}, "path": "/refresh_access_token"})
    refresh_tokens(deps)
    watch_channels(deps)
    assert open_alerts(owner) == [("token_expiring",)]
    due = owner.execute(
        "SELECT next_refresh_at - now() BETWEEN '5 hours' AND '7 hours' FROM channel_health WHERE channel_account_id = %s",
        (account_id(owner, "instagram"),),
    ).fetchone()
    assert due == (True,)


def test_an_accounts_settings_come_from_its_file(owner, database, keyring):
    generic = """
    slug = "forms"
    name = "Forms"
    [[channels]]
    kind = "generic"
    account_id = "web-forms"
    app_secret = "s"
    reply_url = "https://forms.example/answers"
    max_per_s = 20
    mark_read = true
    """
    apply(database, keyring, generic)
    row = owner.execute("SELECT reply_url, max_per_s, mark_read FROM channel_account WHERE kind = 'generic'").fetchone()
    assert row == ("https://forms.example/answers", 20, True)


def test_an_account_that_may_not_send_is_an_alert_and_a_finding_once(deps, owner, database, quiet):
    owner.execute(
        "UPDATE channel_account SET sends_blocked_because = 'graph_131031', sends_blocked_at = now() WHERE id = %s",
        (account_id(owner),),
    )
    for _ in range(2):
        watch_channels(deps)
    assert open_alerts(owner) == [("sends_blocked",)]
    assert [problem for problem in problems(database) if "cannot send" in problem] == [
        "the whatsapp account 111000111 cannot send (graph_131031)"
    ]
    owner.execute("UPDATE channel_account SET sends_blocked_because = NULL")
    watch_channels(deps)
    assert open_alerts(owner) == []
