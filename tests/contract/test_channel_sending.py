"""What every channel does when it sends: one request, one outcome. Against a server on loopback."""

import json
import socket
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from channels.base import ChannelError, Identity, OutboundMessage, SendingAccount
from channels.registry import PARSERS, build_channels

TOKEN = "token-of-acme"
ACCEPTED = {"messaging_product": "whatsapp", "messages": [{"id": "id-1"}], "recipient_id": "9", "message_id": "id-1"}
PHONE, BSUID, IGSID = Identity("phone", "15550001111"), Identity("bsuid", "US.42"), Identity("igsid", "9")
EVERYONE = (Identity("username", "ada"), BSUID, PHONE, IGSID)


class Server:
    """Answers every request with `answer` and keeps what it was asked."""

    def __init__(self):
        self.answer, self.received = (200, {}, json.dumps(ACCEPTED).encode()), []
        self.delay_s, self.drop = 0.0, False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.received.append((self.path, dict(self.headers), json.loads(body)))
                time.sleep(outer.delay_s)
                if outer.drop:
                    self.close_connection = True
                    return
                status, headers, content = outer.answer
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        class Listener(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64  # the default of 5 refuses a burst of connections

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def answers(self, status, body, **headers):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answer = (status, {name.replace("_", "-"): value for name, value in headers.items()}, content)

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def graph():
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def instagram_host():
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def channels(graph, instagram_host):
    return build_channels(graph_url=graph.url, instagram_url=instagram_host.url, version="v26.0", timeout_s=2.0)


@pytest.fixture(params=sorted(PARSERS))
def kind(request):
    return request.param


@pytest.fixture
def host(kind, graph, instagram_host):
    return {"whatsapp": graph, "instagram": instagram_host}[kind]


def message(text="Thank you!", **more):
    return OutboundMessage(recipient=EVERYONE, text=text, **more)


def account(account_id="106540352242922", **more):
    return SendingAccount(account_id=account_id, access_token=TOKEN, **more)


def failure(channel, outbound=None, sender=None):
    with pytest.raises(ChannelError) as caught:
        channel.send(outbound or message(), account=sender or account())
    return caught.value


def test_the_registry_parses_and_sends_the_same_kinds(channels):
    assert set(channels) == set(PARSERS)
    assert all(channel.kind == kind for kind, channel in channels.items())
    assert all(channels[kind].parse({}) == PARSERS[kind]({}) for kind in PARSERS)
    assert all(channels[kind].account_hints(b'"id":"123"') is not None for kind in PARSERS)


def test_a_send_is_one_request_with_the_accounts_token(kind, channels, host):
    assert channels[kind].send(message(), account=account()) == "id-1"
    ((path, headers, _),) = host.received
    assert path == "/v26.0/106540352242922/messages"
    assert headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("text", ["lone \ud83d", "nul \x00", "😞 ü"])
def test_any_text_can_be_sent(kind, text, channels, host):
    channels[kind].send(message(text), account=account())
    assert "\ud83d" not in json.dumps(host.received[0][2], ensure_ascii=False)


def test_a_refused_connection_is_safe_to_try_again(kind):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        channels = build_channels(graph_url=url, instagram_url=url, version="v26.0", timeout_s=2.0)
        error = failure(channels[kind])
    assert (error.permanent, error.uncertain, error.code) == (False, False, "no_connection")
    assert error.retry_after_s


def test_no_answer_in_time_is_uncertain_and_never_repeated(kind, graph, instagram_host, host):
    host.delay_s = 0.5
    channels = build_channels(graph_url=graph.url, instagram_url=instagram_host.url, version="v26.0", timeout_s=0.1)
    assert failure(channels[kind]).uncertain
    time.sleep(0.6)
    assert len(host.received) == 1


def test_a_connection_that_breaks_after_the_request_is_uncertain(kind, channels, host):
    host.drop = True
    assert failure(channels[kind]).uncertain
    assert len(host.received) == 1


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"messages":[{}]}', b'{"messages":7,"message_id":""}']
)
def test_a_success_without_an_id_is_uncertain(kind, body, channels, host):
    host.answers(200, body)
    assert failure(channels[kind]).uncertain


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b'{"error":{"code":99999}}', b'{"error":[]}'])
def test_a_failing_server_leaves_it_open_whether_the_message_left(kind, body, channels, host):
    host.answers(502, body)
    error = failure(channels[kind])
    assert (error.uncertain, len(host.received)) == (True, 1)


def test_a_known_code_from_a_failing_server_is_a_clear_refusal(kind, channels, host):
    host.answers(500, {"error": {"code": 131016, "message": "Service unavailable"}})
    error = failure(channels[kind])
    assert (error.permanent, error.uncertain, error.code, error.retry_after_s) == (False, False, "graph_131016", 10.0)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, 60.0),
        ({"Retry_After": "7"}, 60.0),
        ({"Retry_After": "90"}, 90.0),
        ({"Retry_After": "Mon, 23 Nov 2026 12:00:00 GMT"}, 60.0),
        ({"Retry_After": "99999999"}, 3600.0),
        ({"X_Business_Use_Case_Usage": '{"1":[{"type":"whatsapp","estimated_time_to_regain_access":5}]}'}, 300.0),
        ({"X_Business_Use_Case_Usage": '{"1":[{"estimated_time_to_regain_access":"soon"}],"2":7}'}, 60.0),
        ({"X_Business_Use_Case_Usage": "not json"}, 60.0),
    ],
)
def test_a_limit_is_waited_for_as_long_as_the_channel_asks(kind, headers, wait_s, channels, host):
    host.answers(429, {"error": {"code": 80007}}, **headers)
    assert failure(channels[kind]).retry_after_s == wait_s


@pytest.mark.parametrize("token", ["", "ümlaut", "line\nbreak", "with space"])
def test_a_token_that_fits_no_header_blocks_the_account_and_sends_nothing(kind, token, channels, host):
    error = failure(channels[kind], sender=SendingAccount(account_id="1", access_token=token))
    assert (error.account_blocked, error.uncertain, host.received) == (True, False, [])


def test_a_customer_the_channel_cannot_reach_is_a_permanent_failure(kind, channels, host):
    error = failure(channels[kind], OutboundMessage(recipient=(Identity("username", "ada"),), text="x"))
    assert (error.permanent, error.code, host.received) == (True, "no_recipient", [])


def test_an_error_says_nothing_of_words_numbers_or_tokens(kind, channels, host):
    host.answers(400, {"error": {"code": 131009, "message": "15550001111 is not valid: Thank you!"}})
    shown = "".join(traceback.format_exception(failure(channels[kind])))
    assert not any(secret in shown for secret in (TOKEN, "15550001111 is", "not valid"))
    host.drop = True
    error = failure(channels[kind])
    assert error.__cause__ is None and error.__context__ is None


def test_many_threads_share_one_channel(kind, channels, host):
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda _: channels[kind].send(message(), account=account()), range(64)))
    assert (ids, len(host.received)) == (["id-1"] * 64, 64)


def sent(channels, kind, host, outbound, **of_account):
    channels[kind].send(outbound, account=account(**of_account))
    return host.received[-1]


def test_whatsapp_text_goes_to_the_phone_with_our_callback(channels, graph):
    _, _, body = sent(channels, "whatsapp", graph, message(callback="action-1"))
    assert body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "15550001111",
        "type": "text",
        "text": {"body": "Thank you!", "preview_url": False},
        "biz_opaque_callback_data": "action-1",
    }


def test_whatsapp_falls_back_to_the_business_scoped_id(channels, graph):
    _, _, body = sent(channels, "whatsapp", graph, OutboundMessage(recipient=(BSUID,), text="x"))
    assert body["recipient"] == "US.42"
    assert "to" not in body and "biz_opaque_callback_data" not in body


def test_a_whatsapp_link_is_a_button(channels, graph):
    link = ("Open the refund form now", "https://acme.example/refund")
    _, _, body = sent(channels, "whatsapp", graph, message("x" * 2000, link=link))
    interactive = body["interactive"]
    assert (body["type"], interactive["type"], len(interactive["body"]["text"])) == ("interactive", "cta_url", 1024)
    assert interactive["action"]["parameters"] == {"display_text": "Open the refund form", "url": link[1]}


def test_instagram_text_is_cut_to_bytes_at_a_character(channels, instagram_host):
    _, _, body = sent(channels, "instagram", instagram_host, message("ü" * 501))
    assert body == {"recipient": {"id": "9"}, "message": {"text": "ü" * 500}}


def test_an_instagram_link_is_a_button_template(channels, instagram_host):
    _, _, body = sent(channels, "instagram", instagram_host, message("y" * 700, link=("Form", "https://acme.example")))
    template = body["message"]["attachment"]["payload"]
    assert (template["template_type"], len(template["text"])) == ("button", 640)
    assert template["buttons"] == [{"type": "web_url", "url": "https://acme.example", "title": "Form"}]


def test_a_comment_is_answered_in_private(channels, instagram_host):
    _, _, body = sent(channels, "instagram", instagram_host, message(reply_to_comment_id="179"))
    assert body["recipient"] == {"comment_id": "179"}


def test_a_linked_page_sends_through_facebook(channels, graph, instagram_host):
    path, _, body = sent(channels, "instagram", graph, message(), login="facebook", page_id="444")
    assert (path, body["messaging_type"], instagram_host.received) == ("/v26.0/444/messages", "RESPONSE", [])


def test_an_odd_page_id_stays_one_part_of_the_path(channels, graph):
    path, _, _ = sent(channels, "instagram", graph, message(), login="facebook", page_id="../1?x=#y")
    assert path == "/v26.0/..%2F1%3Fx%3D%23y/messages"
