"""The Graph stand-in: sends as Meta takes them, and the signed webhooks that follow."""

import base64
import hashlib
import hmac
import itertools
import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from devstack.standins.graph_webhooks import meta_bytes
from devstack.standins.running import start_standins

SECRET = "app-secret-äöü"
PHONE = "905551112233"
TEXT = {"type": "text", "text": {"body": "Hello"}}
numbers = itertools.count(800_000_000_000)


class Receiver:
    """Takes webhooks on loopback. refusals: how many it answers with 503 before it takes one."""

    def __init__(self):
        self.bodies = queue.Queue()
        self.refusals = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                refuse = receiver.refusals > 0
                receiver.refusals -= refuse
                self.send_response(503 if refuse else 200)
                self.end_headers()
                if not refuse:
                    receiver.bodies.put((self.path, self.headers["X-Hub-Signature-256"], body))

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def next_body(self):
        """The next webhook, its signature checked over the bytes as they came."""
        _, signature, body = self.bodies.get(timeout=5)
        assert signature == "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        assert body.isascii()
        return json.loads(body)

    def next_status(self):
        value = self.next_body()["entry"][0]["changes"][0]["value"]
        return value["metadata"]["phone_number_id"], value["statuses"][0]


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture
def graph(standins):
    headers = {"Authorization": "Bearer token"}
    with httpx2.Client(base_url=standins["graph"], headers=headers, trust_env=False, timeout=10) as client:
        client.delete("/_script")
        yield client
        client.delete("/_script")


@pytest.fixture
def account_id():
    return str(next(numbers))


@pytest.fixture
def registered(graph, receiver, account_id):
    """Registers the account of this test as one of a kind."""

    def register(kind):
        account = {"kind": kind, "account_id": account_id, "app_secret": SECRET, "webhook_url": receiver.url}
        for _ in range(2):  # again and again is the same
            graph.post("/_accounts", json={"accounts": [account]}).raise_for_status()

    return register


def whatsapp(graph, account_id, **more):
    body = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": PHONE, **TEXT, **more}
    return graph.post(f"/v26.0/{account_id}/messages", json={name: value for name, value in body.items() if value})


def instagram(graph, account_id, recipient, message, **more):
    return graph.post(f"/v26.0/{account_id}/messages", json={"recipient": recipient, "message": message, **more})


def sends(graph, account_id):
    return [send for send in graph.get("/_sends").json() if send["account_id"] == account_id]


def interactive(kind="button", text="Pick", **action):
    return {"type": "interactive", "interactive": {"type": kind, "body": {"text": text}, "action": action}}


def buttons(*titles, ids=None):
    listed = [
        {"type": "reply", "reply": {"id": one, "title": title}}
        for one, title in zip(ids or titles, titles, strict=True)
    ]
    return interactive(buttons=listed)


def link(title="Open", url="https://acme.example/refund"):
    return interactive("cta_url", name="cta_url", parameters={"display_text": title, "url": url})


def test_an_accepted_message_gets_an_id_that_holds_the_number(graph, account_id):
    answer = whatsapp(graph, account_id).json()
    assert answer["contacts"] == [{"input": PHONE, "wa_id": PHONE}]
    (message,) = answer["messages"]
    assert PHONE.encode() in base64.b64decode(message["id"].removeprefix("wamid."))
    (send,) = sends(graph, account_id)
    assert (send["kind"], send["recipient"], send["id"]) == ("whatsapp", PHONE, message["id"])
    assert send["body"]["text"] == {"body": "Hello"}


def test_two_messages_have_two_ids(graph, account_id):
    ids = {whatsapp(graph, account_id).json()["messages"][0]["id"] for _ in range(2)}
    assert len(ids) == 2


def test_a_customer_without_number_is_reached_by_user_id(graph, account_id):
    answer = whatsapp(graph, account_id, to=None, recipient="US.13491208655302741918").json()
    assert answer["contacts"] == [{"input": "US.13491208655302741918", "user_id": "US.13491208655302741918"}]


@pytest.mark.parametrize(
    "content",
    [
        {"type": "text", "text": {"body": "x" * 4096, "preview_url": False}},
        {"type": "template", "template": {"name": "hello", "language": {"code": "tr"}}},
        buttons("Yes", "No", "Maybe"),
        link(),
        {"biz_opaque_callback_data": "x" * 512},
    ],
)
def test_what_meta_takes_is_taken(graph, account_id, content):
    assert whatsapp(graph, account_id, **content).status_code == 200


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"messaging_product": "sms"}, 100),
        ({"to": None}, 100),
        ({"to": "not a number"}, 131009),
        ({"to": None, "recipient": "13491208655302741918"}, 131009),
        ({"type": "image"}, 100),
        ({"text": {}}, 131008),
        ({"text": {"body": "x" * 4097}}, 131009),
        ({"type": "template", "template": {"name": "hello"}}, 131008),
        (buttons("1", "2", "3", "4"), 131009),
        (buttons("x" * 21), 131009),
        (buttons("a", "b", ids=("1", "1")), 131009),
        (interactive(buttons=[{"type": "reply", "reply": {"id": "1"}}]), 131008),
        (
            interactive("button", text="x" * 1025, buttons=[{"type": "reply", "reply": {"id": "1", "title": "a"}}]),
            131009,
        ),
        (link(title="x" * 21), 131009),
        (link(url="acme.example"), 131009),
        (interactive("cta_url", name="cta_url"), 131008),
        ({"biz_opaque_callback_data": "x" * 513}, 100),
    ],
)
def test_what_meta_refuses_is_refused_with_its_code(graph, account_id, content, code):
    answer = whatsapp(graph, account_id, **content)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["type"]) == (code, "OAuthException")
    assert error["error_data"]["details"]
    assert sends(graph, account_id) == []


def test_a_read_mark_is_no_message(graph, account_id):
    mark = {
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": "wamid.x",
        "typing_indicator": {"type": "text"},
    }
    assert graph.post(f"/v26.0/{account_id}/messages", json=mark).json() == {"success": True}
    assert graph.post(f"/v26.0/{account_id}/messages", json={**mark, "message_id": ""}).status_code == 400
    assert sends(graph, account_id) == []


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer"}])
def test_without_token_nothing_is_sent(standins, headers):
    answer = httpx2.post(f"{standins['graph']}/v26.0/1/messages", json={}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, 190)


@pytest.mark.parametrize("body", ["{", "[]", "null"])
def test_a_broken_body_is_refused(graph, body):
    assert graph.post("/v26.0/1/messages", content=body).status_code == 400


def test_a_send_is_followed_by_signed_statuses_in_order(graph, receiver, registered, account_id):
    registered("whatsapp")
    wamid = whatsapp(graph, account_id, biz_opaque_callback_data="job/7 <ü>").json()["messages"][0]["id"]
    for expected in ("sent", "delivered"):
        phone_number_id, status = receiver.next_status()
        assert (phone_number_id, status["status"]) == (account_id, expected)
        assert (status["id"], status["recipient_id"]) == (wamid, PHONE)
        assert status["biz_opaque_callback_data"] == "job/7 <ü>"
        assert status["timestamp"].isdigit()


def test_a_status_names_no_callback_that_was_not_given(graph, receiver, registered, account_id):
    registered("whatsapp")
    whatsapp(graph, account_id, to=None, recipient="US.13491208655302741918")
    status = receiver.next_status()[1]
    assert "biz_opaque_callback_data" not in status
    assert status["recipient_user_id"] == "US.13491208655302741918"


def test_a_webhook_that_is_not_taken_comes_again(graph, receiver, registered, account_id):
    registered("whatsapp")
    receiver.refusals = 2
    whatsapp(graph, account_id)
    assert [receiver.next_status()[1]["status"] for _ in range(2)] == ["sent", "delivered"]


def test_bytes_are_escaped_as_meta_escapes_them():
    assert meta_bytes({"a": "ü/👋<%@"}) == rb'{"a":"\u00fc\/\ud83d\udc4b\u003C\u0025\u0040"}'
    assert json.loads(meta_bytes({"a": "ü/👋<%@"})) == {"a": "ü/👋<%@"}


def test_dropped_before_means_not_sent(graph, account_id):
    graph.post("/_script", json={"steps": [{"drop": "before"}]})
    with pytest.raises(httpx2.TransportError):
        whatsapp(graph, account_id)
    assert sends(graph, account_id) == []


def test_dropped_after_means_sent_and_the_status_tells(graph, receiver, registered, account_id):
    registered("whatsapp")
    graph.post("/_script", json={"steps": [{"drop": "after"}]})
    with pytest.raises(httpx2.TransportError):
        whatsapp(graph, account_id, biz_opaque_callback_data="job-8")
    assert len(sends(graph, account_id)) == 1
    assert receiver.next_status()[1]["biz_opaque_callback_data"] == "job-8"


def test_an_instagram_message_is_echoed_with_its_id(graph, receiver, registered, account_id):
    registered("instagram")
    answer = instagram(graph, account_id, {"id": "445566"}, {"text": "Merhaba"}).json()
    assert answer["recipient_id"] == "445566"
    body = receiver.next_body()
    event = body["entry"][0]["messaging"][0]
    assert (body["object"], body["entry"][0]["id"]) == ("instagram", account_id)
    assert (event["sender"]["id"], event["recipient"]["id"]) == (account_id, "445566")
    assert event["message"] == {"mid": answer["message_id"], "is_echo": True, "text": "Merhaba"}


def test_a_button_template_is_taken_and_echoed_as_one(graph, receiver, registered, account_id):
    registered("instagram")
    button = {"type": "web_url", "url": "https://acme.example", "title": "Open"}
    template = {"template_type": "button", "text": "Here", "buttons": [button]}
    message = {"attachment": {"type": "template", "payload": template}}
    assert instagram(graph, account_id, {"id": "1"}, message).status_code == 200
    echo = receiver.next_body()["entry"][0]["messaging"][0]["message"]
    assert echo["attachments"][0]["type"] == "template"
    template["buttons"] = [button] * 4
    assert instagram(graph, account_id, {"id": "1"}, message).json()["error"]["code"] == 100


@pytest.mark.parametrize(
    ("recipient", "message", "more"),
    [
        ({}, {"text": "x"}, {}),
        ({"id": "1"}, {}, {}),
        ({"id": "1"}, {"text": "ü" * 501}, {}),
        ({"id": "1"}, {"text": "x", "quick_replies": [{"title": "a"}] * 14}, {}),
        ({"id": "1"}, {"text": "x"}, {"messaging_type": "OTHER"}),
        ({"id": "1"}, {"text": "x"}, {"messaging_type": "MESSAGE_TAG", "tag": "ACCOUNT_UPDATE"}),
    ],
)
def test_what_instagram_refuses_is_refused(graph, account_id, recipient, message, more):
    answer = instagram(graph, account_id, recipient, message, **more)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 100)


def test_a_thousand_bytes_fit(graph, account_id):
    assert instagram(graph, account_id, {"id": "1"}, {"text": "ü" * 500}).status_code == 200


def test_a_comment_gets_one_private_reply(graph, account_id):
    recipient = {"comment_id": f"1790{account_id}"}
    assert instagram(graph, account_id, recipient, {"text": "Hi"}).json()["message_id"]
    error = instagram(graph, account_id, recipient, {"text": "Hi again"}).json()["error"]
    assert error["error_subcode"] == 2534014
    assert len(sends(graph, account_id)) == 1


def test_a_comment_is_answered_in_public(graph, account_id):
    path = f"/v26.0/{account_id}/replies"
    assert graph.post(path, params={"message": "Danke"}).json()["id"]
    assert graph.post(path, data={"message": "Danke sehr"}).json()["id"]
    assert graph.post(path).json()["error"]["code"] == 100
    assert [send["body"]["message"] for send in sends(graph, account_id)] == ["Danke", "Danke sehr"]


def test_subscriptions_are_kept(graph, account_id):
    path = f"/v26.0/{account_id}/subscribed_apps"
    assert len(graph.get(path).json()["data"]) == 1
    graph.delete(path)
    assert graph.get(path).json()["data"] == []
    assert graph.post(path).json() == {"success": True}
    assert len(graph.get(path).json()["data"]) == 1


def test_a_token_is_refreshed_for_sixty_days(standins):
    url = f"{standins['graph']}/refresh_access_token"
    answer = httpx2.get(url, params={"grant_type": "ig_refresh_token", "access_token": "old"}).json()
    assert answer["access_token"] not in {"", "old"}
    assert answer["expires_in"] == 60 * 24 * 3600
    assert httpx2.get(url, params={"access_token": "old"}).status_code == 400


def test_accounts_without_what_they_need_are_refused(graph):
    assert graph.post("/_accounts", json={"accounts": [{"kind": "whatsapp"}]}).status_code == 400


def test_accounts_survive_a_restart_in_a_private_file_and_follow_the_receiver(tmp_path, receiver):
    kept = tmp_path / "accounts.json"
    account = {
        "kind": "whatsapp",
        "account_id": "77",
        "app_secret": SECRET,
        "webhook_url": "http://127.0.0.1:9/webhooks",
    }
    first = start_standins([f"--accounts-file={kept}"])
    try:
        httpx2.post(f"{first.urls['graph']}/_accounts", json={"accounts": [account]}).raise_for_status()
    finally:
        first.stop()
    assert kept.stat().st_mode & 0o077 == 0
    second = start_standins([f"--accounts-file={kept}", f"--receiver-url={receiver.url.removesuffix('/webhooks')}"])
    try:
        headers = {"Authorization": "Bearer token"}
        with httpx2.Client(base_url=second.urls["graph"], headers=headers, trust_env=False) as client:
            whatsapp(client, "77").raise_for_status()
        assert receiver.next_status()[0] == "77"
    finally:
        second.stop()


def test_a_node_answers_with_its_id_and_an_expired_token_is_refused(graph):
    assert graph.get("/v26.0/111000111?fields=id").json() == {"id": "111000111"}
    refused = graph.get("/v26.0/111000111?fields=id", headers={"Authorization": "Bearer expired-1"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, 190)


@pytest.mark.parametrize(
    ("rows", "button", "status"),
    [
        ([{"id": str(n), "title": "x"} for n in range(10)], "Choose", 200),
        ([{"id": str(n), "title": "x"} for n in range(11)], "Choose", 400),
        ([], "Choose", 400),
        ([{"id": "1", "title": "x"}] * 2, "Choose", 400),
        ([{"id": "1", "title": "x" * 25}], "Choose", 400),
        ([{"id": "1", "title": "x"}], "x" * 21, 400),
        ([{"id": "1", "title": "x", "description": "d" * 73}], "Choose", 400),
    ],
)
def test_a_whatsapp_list_is_held_to_metas_limits(graph, rows, button, status):
    interactive = {"type": "list", "body": {"text": "?"}, "action": {"button": button, "sections": [{"rows": rows}]}}
    body = {"messaging_product": "whatsapp", "to": "15550001111", "type": "interactive", "interactive": interactive}
    assert graph.post("/v26.0/1/messages", json=body).status_code == status
