"""The receiver: what it stores, what it refuses, and that it answers either way."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from config.settings import load_settings
from tests.webhooks import instagram_comment, signature, whatsapp_body, whatsapp_message, whatsapp_value
from webhook_receiver.app import create_app
from webhook_receiver.publisher import Publisher


@pytest.fixture
def started(monkeypatch):
    """Runs offered to the publisher, in place of a broker."""
    runs = []
    monkeypatch.setattr(Publisher, "offer", lambda self, new: runs.extend(new))
    return runs


@pytest.fixture
def client(settings, started, start_receiver):
    return start_receiver(settings)


def post(client, body, *, secret="acme-secret", kind="whatsapp", **headers):
    headers = {"X-Hub-Signature-256": signature(body, secret), **headers}
    return client.post(f"/webhooks/{kind}", data=body, headers=headers, content_type="application/json")


def stored(owner):
    return owner.execute("SELECT text, state, direction, surface FROM message ORDER BY id").fetchall()


def test_a_signed_message_is_stored_with_an_open_run_and_answered_200(client, owner, started):
    assert post(client, whatsapp_body(whatsapp_message("hello"))).status_code == 200
    assert stored(owner) == [("hello", "received", "inbound", "dm")]
    assert len(started) == 1
    assert owner.execute("SELECT kind, state FROM run").fetchall() == [("initial", "received")]


@pytest.mark.parametrize(
    "header",
    ["", "sha256=", "sha256=" + "0" * 64, "sha1=" + "0" * 40, "garbage", "sha256=ü" + "0" * 63],
)
def test_a_wrong_signature_is_401_and_adds_nothing(client, owner, header):
    body = whatsapp_body(whatsapp_message())
    answer = client.post("/webhooks/whatsapp", data=body, headers={"X-Hub-Signature-256": header})
    assert answer.status_code == 401
    assert stored(owner) == []


def test_a_missing_signature_is_401(client):
    assert client.post("/webhooks/whatsapp", data=whatsapp_body(whatsapp_message())).status_code == 401


def test_a_tenant_cannot_forge_messages_of_another_with_its_own_secret(client, owner):
    body = whatsapp_body(whatsapp_message("forged"), account="111000111")
    assert post(client, body, secret="other-secret").status_code == 200
    assert stored(owner) == []


def test_an_instagram_secret_does_not_open_an_unknown_kind(client):
    assert post(client, b"{}", kind="telegram").status_code == 404


def test_two_tenants_in_one_body_of_one_app_are_told_apart(client, owner):
    first, second = (
        json.loads(whatsapp_body(whatsapp_message("mine"))),
        json.loads(whatsapp_body(whatsapp_message("theirs"), account="222000222")),
    )
    body = json.dumps({**first, "entry": first["entry"] + second["entry"]}).encode()
    assert post(client, body).status_code == 200
    assert [row[0] for row in stored(owner)] == ["mine"]


def test_unknown_accounts_and_kinds_are_acknowledged_and_add_nothing(client, owner):
    assert post(client, whatsapp_body(whatsapp_message(), account="999999")).status_code == 200
    odd = json.dumps({"object": "page", "entry": [{"changes": [{"field": "feed", "value": {}}]}]}).encode()
    assert post(client, odd).status_code == 200
    assert stored(owner) == []


def test_duplicates_add_nothing_inside_a_body_and_across_bodies(client, owner, started):
    item = whatsapp_message("once", message_id="wamid.same")
    assert post(client, whatsapp_body(item, item)).status_code == 200
    assert post(client, whatsapp_body(whatsapp_message("two"), item)).status_code == 200
    assert [row[0] for row in stored(owner)] == ["once", "two"]
    assert len(started) == 2


def test_the_same_provider_id_of_two_tenants_is_two_messages(client, owner):
    post(client, whatsapp_body(whatsapp_message("a", message_id="wamid.x")))
    post(client, whatsapp_body(whatsapp_message("b", message_id="wamid.x"), account="222000222"), secret="other-secret")
    assert len(stored(owner)) == 2


def test_a_message_that_an_upload_of_history_brought_first_is_started(client, owner, started):
    item = whatsapp_message("hello", message_id="wamid.old")
    thread = {"id": item["from"], "messages": [{key: value for key, value in item.items() if key != "_name"}]}
    post(client, whatsapp_value(field="history", history=[{"threads": [thread]}]))
    assert started == [] and [row[1] for row in stored(owner)] == ["ignored"]
    post(client, whatsapp_body(item, whatsapp_message("new")))
    assert [row[:2] for row in stored(owner)] == [("hello", "received"), ("new", "received")]
    assert len(started) == 2


def test_posts_of_several_tenants_at_once_are_each_its_own(client, owner, started):
    tenants = {"111000111": "acme-secret", "222000222": "other-secret"}

    def send(number):
        account = list(tenants)[number % 2]
        body = whatsapp_body(whatsapp_message(f"{account} {number}"), account=account)
        return post(client.application.test_client(), body, secret=tenants[account]).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(send, range(60))) == {200}
    rows = owner.execute("SELECT tenant_id, account_id, split_part(text, ' ', 1) FROM message").fetchall()
    assert len(rows) == 60 and all(account == told for _, account, told in rows)
    assert len({tenant for tenant, _, _ in rows}) == 2
    runs = owner.execute("SELECT tenant_id, message_id::text, id::text FROM run").fetchall()
    assert {(run.tenant_id, run.message_id, run.run_id) for run in started} == set(runs)


def test_a_bad_item_does_not_stop_its_neighbours(client, owner):
    payload = json.loads(whatsapp_body(whatsapp_message("good"), whatsapp_message("also good")))
    value = payload["entry"][0]["changes"][0]["value"]
    value["messages"][1:1] = [None, 7, [], {"type": "text"}, {"id": {}, "from": [], "type": 3, "text": "x"}]
    payload["entry"].insert(0, {"changes": [None, {"field": "messages", "value": None}]})
    assert post(client, json.dumps(payload).encode()).status_code == 200
    assert [row[0] for row in stored(owner)] == ["good", "also good"]


def test_a_batch_of_a_thousand_is_stored_in_order(client, owner):
    items = [whatsapp_message(f"m{number}") for number in range(1000)]
    assert post(client, whatsapp_body(*items)).status_code == 200
    assert [row[0] for row in stored(owner)] == [f"m{number}" for number in range(1000)]


def test_more_messages_than_fit_one_transaction_keep_their_order(client, owner, started):
    from webhook_receiver.intake import MESSAGES_AT_ONCE

    items = [whatsapp_message(str(number)) for number in range(2 * MESSAGES_AT_ONCE + 1)]
    assert post(client, whatsapp_body(*items)).status_code == 200
    texts = [int(text) for (text,) in owner.execute("SELECT text FROM message ORDER BY id").fetchall()]
    assert texts == list(range(2 * MESSAGES_AT_ONCE + 1))
    assert len(started) == len(texts)


@pytest.mark.parametrize(
    "body",
    [b"", b"nope", b"[" * 100_000, b"\xff\xfe", b"9" * 6000],
)
def test_a_signed_body_that_cannot_be_read_is_kept_and_answered_200(client, owner, body):
    assert post(client, body).status_code == 200
    assert owner.execute("SELECT body FROM unparsed_body").fetchone() == (body,)


def test_nul_and_lone_surrogates_harm_neither_the_message_nor_its_neighbour(client, owner):
    hostile = whatsapp_message("a\x00b\ud83d", name="N\x00\udfff")
    assert post(client, whatsapp_body(hostile, whatsapp_message("fine"))).status_code == 200
    assert [row[0] for row in stored(owner)] == ["a\ufffdb\ufffd", "fine"]


def test_a_body_over_4_mib_is_413(client):
    assert post(client, b"x" * (4 * 1024 * 1024 + 1)).status_code == 413


def test_a_compressed_body_is_415(client):
    assert post(client, whatsapp_body(whatsapp_message()), **{"Content-Encoding": "gzip"}).status_code == 415


def test_the_handshake_echoes_the_challenge_as_plain_text(client):
    query = {"hub.mode": "subscribe", "hub.verify_token": "acme-verify", "hub.challenge": "1158201444"}
    answer = client.get("/webhooks/whatsapp", query_string=query)
    assert (answer.status_code, answer.data, answer.mimetype) == (200, b"1158201444", "text/plain")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"hub.verify_token": "wrong"}, 403),
        ({"hub.verify_token": "ü"}, 403),
        ({"hub.mode": "unsubscribe"}, 403),
        ({"hub.challenge": "<script>"}, 400),
        ({"hub.challenge": ""}, 400),
    ],
)
def test_a_wrong_handshake_is_refused(client, change, status):
    query = {"hub.mode": "subscribe", "hub.verify_token": "acme-verify", "hub.challenge": "1", **change}
    assert client.get("/webhooks/whatsapp", query_string=query).status_code == status


def test_a_token_of_the_other_channel_kind_is_refused(client):
    query = {"hub.mode": "subscribe", "hub.verify_token": "other-verify", "hub.challenge": "1"}
    assert client.get("/webhooks/instagram", query_string=query).status_code == 403


def test_a_reel_comment_keeps_its_surface(client, owner):
    assert post(client, instagram_comment("wow"), kind="instagram").status_code == 200
    assert stored(owner) == [("wow", "received", "inbound", "reel_comment")]


def test_an_answer_typed_in_the_app_is_stored_and_not_analyzed(client, owner, started):
    payload = json.loads(whatsapp_body())
    change = payload["entry"][0]["changes"][0]
    change["field"] = "smb_message_echoes"
    echo = {"from": "15550000000", "to": "905551112233", "id": "wamid.e", "timestamp": "1790000000", "type": "text"}
    change["value"]["message_echoes"] = [{**echo, "text": {"body": "we are on it"}}]
    assert post(client, json.dumps(payload).encode()).status_code == 200
    assert stored(owner) == [("we are on it", "ignored", "outbound", "dm")]
    assert started == []


def test_without_postgres_the_answer_is_503_within_three_seconds(settings, started, start_receiver):
    dead = settings.model_copy(
        update={"database_url": type(settings.database_url)("postgresql://x:y@127.0.0.1:1/none?connect_timeout=1")}
    )
    assert post(start_receiver(dead), whatsapp_body(whatsapp_message())).status_code == 503


def test_without_a_broker_the_message_is_stored_and_answered_200(settings, owner, monkeypatch, start_receiver):
    import worker.pipeline

    def fail(*_, **__):
        raise OSError("no broker")

    monkeypatch.setattr(worker.pipeline, "start", fail)
    client = start_receiver(settings)
    assert post(client, whatsapp_body(whatsapp_message("safe"))).status_code == 200
    assert stored(owner)[0][0] == "safe"


def test_an_applied_tenant_is_live_within_five_seconds(client, owner, settings, keyring, owner_database_url):
    import time

    from config.tenant_file import parse_tenant_file
    from store.db import Database
    from store.tenants import apply_tenant
    from tests.conftest import OTHER

    text = OTHER.replace('"other"', '"late"').replace("222000222", "333000333").replace("other-secret", "late-secret")
    body = whatsapp_body(whatsapp_message("hi"), account="333000333")
    assert post(client, body, secret="late-secret").status_code == 401
    database = Database(owner_database_url, pool_size=1)
    with database.system_transaction() as conn:
        apply_tenant(conn, parse_tenant_file(text, source="t", environ={}), keyring=keyring)
    database.close()
    deadline = time.monotonic() + 5
    while post(client, body, secret="late-secret").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert stored(owner)[0][0] == "hi"


def test_the_receiver_never_loads_the_sdk():
    import subprocess
    import sys

    code = "import webhook_receiver.app, worker.pipeline, sys; sys.exit('anthropic' in sys.modules or 'httpx2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_metrics_name_no_tenant(client):
    post(client, whatsapp_body(whatsapp_message()))
    page = client.get("/metrics").text
    assert "earshot_messages_received_total" in page
    assert "acme" not in page


def test_a_missing_key_stops_the_receiver_and_names_itself():
    with pytest.raises(Exception, match="EARSHOT_KEYS"):
        create_app(load_settings({"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x"}))


def sightings(client, owner):
    client.application.extensions["sightings"].flush()
    return owner.execute(
        "SELECT a.account_id, s.what, s.detail, s.times FROM channel_sighting AS s "
        "JOIN channel_account AS a ON a.id = s.channel_account_id ORDER BY 1, 2"
    ).fetchall()


def test_a_handshake_is_noted_for_the_accounts_of_its_token_and_a_wrong_one_for_those_that_wait(client, owner):
    asked = {"hub.mode": "subscribe", "hub.challenge": "42", "hub.verify_token": "acme-verify"}
    assert client.get("/webhooks/whatsapp", query_string=asked).status_code == 200
    assert sightings(client, owner) == [("111000111", "handshake", None, 1)]
    for _ in range(2):
        client.get("/webhooks/whatsapp", query_string={**asked, "hub.verify_token": "nobody's"})
    assert sightings(client, owner) == [("111000111", "handshake", None, 1), ("222000222", "wrong_token", None, 2)]


def test_refused_webhooks_are_noted_for_the_account_they_name_without_what_they_hold(client, owner):
    message = whatsapp_message("hello")
    post(client, whatsapp_body(message), secret="wrong")
    post(client, whatsapp_body(message, account="555"), secret="acme-secret")
    post(client, whatsapp_body(message, account="555"), secret="wrong")
    assert sightings(client, owner) == [
        ("111000111", "bad_signature", None, 1),
        ("111000111", "unknown_account", "555", 1),
    ]
    post(
        client,
        b'{"account_id": "ada-lovelace", "messages": [{"id": "1", "from": {"id": "x"}, "text": "t"}]}',
        kind="generic",
    )
    assert len(sightings(client, owner)) == 2


def test_a_stranger_cannot_fill_the_receivers_memory_with_accounts(client, owner):
    post(client, json.dumps([{"phone_number_id": str(number)} for number in range(5000)]).encode(), secret="wrong")
    assert sightings(client, owner) == []
