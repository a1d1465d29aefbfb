"""What every channel does when it sends: one request, one outcome. Against a server on loopback."""

import json
import socket
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from channels.base import AccountState, ChannelError, Choice, Identity, OutboundMessage, SendingAccount, Template
from channels.registry import PARSERS, REPEATABLE, build_channels

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

            def do_GET(self):
                outer.received.append((self.path, dict(self.headers), None))
                self.answer()

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.received.append((self.path, dict(self.headers), json.loads(body)))
                self.answer()

            def answer(self):
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


@pytest.fixture(params=["instagram", "whatsapp"])
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


CHOICES = tuple(Choice(f"c{number}", f"Choice {number}") for number in range(11))
TEMPLATE = Template("sorry", "en_US", ("Ada", "42"))
LINK = ("Form", "https://acme.example/form")


def test_a_channel_says_whether_it_recognises_a_repeated_send(channels):
    assert {kind for kind, channel in channels.items() if channel.sends_are_idempotent} == set(REPEATABLE)


def test_a_whatsapp_template_carries_its_parameters_and_none_of_the_words(channels, graph):
    _, _, body = sent(channels, "whatsapp", graph, message("free words", template=TEMPLATE, choices=CHOICES, link=LINK))
    parameters = [{"type": "text", "text": "Ada"}, {"type": "text", "text": "42"}]
    assert (body["type"], "free words" in json.dumps(body)) == ("template", False)
    assert body["template"] == {
        "name": "sorry",
        "language": {"policy": "deterministic", "code": "en_US"},
        "components": [{"type": "body", "parameters": parameters}],
    }


def test_a_whatsapp_template_without_parameters_has_no_components(channels, graph):
    _, _, body = sent(channels, "whatsapp", graph, message(template=Template("sorry", "tr")))
    assert body["template"] == {"name": "sorry", "language": {"policy": "deterministic", "code": "tr"}}


def test_up_to_three_whatsapp_choices_are_buttons(channels, graph):
    _, _, body = sent(channels, "whatsapp", graph, message(choices=CHOICES[:3], link=LINK))
    buttons = [{"type": "reply", "reply": {"id": f"c{n}", "title": f"Choice {n}"}} for n in range(3)]
    assert body["interactive"] == {"type": "button", "body": {"text": "Thank you!"}, "action": {"buttons": buttons}}


def test_up_to_ten_whatsapp_choices_are_a_list(channels, graph):
    _, _, body = sent(channels, "whatsapp", graph, message(choices=CHOICES[:10]))
    interactive = body["interactive"]
    assert (interactive["type"], len(interactive["action"]["sections"][0]["rows"])) == ("list", 10)
    assert 1 <= len(interactive["action"]["button"]) <= 20


@pytest.mark.parametrize(("kind", "number"), [("whatsapp", 11), ("instagram", 14)])
def test_more_choices_than_the_channel_shows_are_an_error_and_send_nothing(kind, number, channels, host):
    choices = tuple(Choice(str(n), str(n)) for n in range(number))
    error = failure(channels[kind], message(choices=choices))
    assert (error.code, error.permanent, host.received) == ("too_many_choices", True, [])


def test_a_whatsapp_answer_can_quote_what_it_answers(channels, graph):
    _, _, body = sent(channels, "whatsapp", graph, message(quotes_provider_id="wamid.Q"))
    assert body["context"] == {"message_id": "wamid.Q"}


def test_whatsapp_marks_as_read_and_shows_typing_in_one_request(channels, graph):
    channels["whatsapp"].mark_read("wamid.R", recipient=EVERYONE, account=account())
    ((path, _, body),) = graph.received
    assert path.endswith("/messages")
    assert body == {
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": "wamid.R",
        "typing_indicator": {"type": "text"},
    }


def test_instagram_shows_typing(channels, instagram_host):
    channels["instagram"].mark_read("mid", recipient=EVERYONE, account=account())
    assert instagram_host.received[0][2] == {"recipient": {"id": "9"}, "sender_action": "typing_on"}


def test_instagram_choices_are_quick_replies(channels, instagram_host):
    _, _, body = sent(channels, "instagram", instagram_host, message(choices=CHOICES))
    first = {"content_type": "text", "title": "Choice 0", "payload": "c0"}
    assert (body["message"]["quick_replies"][0], len(body["message"]["quick_replies"])) == (first, 11)


@pytest.mark.parametrize("text", ["ü" * 900, "x", "😞" * 400])
def test_a_private_reply_keeps_the_whole_address_within_the_limit(text, channels, instagram_host):
    _, _, body = sent(channels, "instagram", instagram_host, message(text, link=LINK, reply_to_comment_id="179"))
    said = body["message"]["text"]
    assert said.endswith("\nhttps://acme.example/form") and len(said.encode()) <= 1000


def test_a_comment_is_answered_in_public_below_it_and_nothing_else_is_asked_for(channels, instagram_host):
    instagram_host.answers(200, {"id": "178"})
    outbound = message(reply_to_comment_id="179", in_public=True)
    assert channels["instagram"].send(outbound, account=account()) == "178"
    ((path, _, body),) = instagram_host.received
    assert (path, body) == ("/v26.0/179/replies", {"message": "Thank you!"})


def test_instagram_has_no_templates_so_the_window_is_over_for_good(channels, instagram_host):
    error = failure(channels["instagram"], message(template=TEMPLATE))
    assert (error.window_closed, error.permanent, instagram_host.received) == (True, True, [])


def test_only_what_a_person_wrote_leaves_as_human_agent(channels, instagram_host):
    outbound = message(human_agent=True, written_by="human")
    _, _, body = sent(channels, "instagram", instagram_host, outbound)
    assert (body["messaging_type"], body["tag"]) == ("MESSAGE_TAG", "HUMAN_AGENT")
    error = failure(channels["instagram"], message(human_agent=True))
    assert (error.code, len(instagram_host.received)) == ("human_agent_by_automation", 1)


class TestInspection:
    @pytest.mark.parametrize(
        ("status", "body", "token"),
        [
            (401, {"error": {"code": 190}}, "dead"),
            (400, {"error": {"code": 190, "error_subcode": 463}}, "dead"),
            (400, {"error": {"code": 102}}, "dead"),
            (401, {}, "dead"),
            (500, {}, "unknown"),
            (429, {"error": {"code": 4}}, "unknown"),
            (400, {"error": {"code": 100}}, "unknown"),
        ],
    )
    def test_only_a_refused_token_is_dead(self, kind, status, body, token, channels, host):
        host.answers(status, body)
        state = channels[kind].inspect(account(waba_id="77"))
        assert (state.token, state.subscribed, len(host.received)) == (token, None, 1)

    @pytest.mark.parametrize(("apps", "subscribed"), [([{"id": "1"}], True), ([], False), (None, None)])
    def test_an_account_without_apps_gets_no_webhooks(self, kind, apps, subscribed, channels, host):
        host.answers(200, {"id": "1", "data": apps})
        state = channels[kind].inspect(account(waba_id="77"))
        assert state == AccountState("alive", subscribed)
        assert [path.partition("?")[0].rpartition("/")[2] for path, _, _ in host.received][1] == "subscribed_apps"

    def test_without_a_waba_nobody_is_asked_about_webhooks(self, channels, graph):
        assert channels["whatsapp"].inspect(account()) == AccountState("alive", None)
        assert len(graph.received) == 1

    def test_a_silent_host_leaves_it_unknown(self, kind, channels, host):
        host.drop = True
        assert channels[kind].inspect(account()).token == "unknown"

    def test_a_token_that_fits_no_header_is_dead(self, kind, channels, host):
        state = channels[kind].inspect(SendingAccount(account_id="1", access_token="ümlaut"))
        assert (state.token, host.received) == ("dead", [])


class TestTokenRefresh:
    def test_an_instagram_login_token_gets_a_new_lifetime(self, channels, instagram_host):
        instagram_host.answers(200, {"access_token": "new", "token_type": "bearer", "expires_in": 5183944})
        refreshed = channels["instagram"].refresh_token(account(login="instagram"))
        assert (refreshed.access_token, refreshed.lifetime_s) == ("new", 5183944)
        assert instagram_host.received[0][0].startswith("/refresh_access_token?grant_type=ig_refresh_token&")
        assert "new" not in repr(refreshed)

    def test_other_tokens_do_not_age(self, channels, graph, instagram_host):
        assert channels["whatsapp"].refresh_token(account()) is None
        assert channels["instagram"].refresh_token(account(login="facebook", page_id="4")) is None
        assert graph.received == instagram_host.received == []

    @pytest.mark.parametrize("body", [{}, {"access_token": "", "expires_in": 5}, {"access_token": "n"}, b"<html>"])
    def test_an_answer_without_a_token_is_no_refresh(self, body, channels, instagram_host):
        instagram_host.answers(200, body)
        with pytest.raises(ChannelError) as caught:
            channels["instagram"].refresh_token(account(login="instagram"))
        assert not caught.value.uncertain

    def test_the_token_in_the_address_is_in_no_log_and_no_error(self, channels, instagram_host, caplog):
        caplog.set_level("DEBUG")
        instagram_host.answers(400, {"error": {"code": 190, "message": TOKEN}})
        with pytest.raises(ChannelError) as caught:
            channels["instagram"].refresh_token(account(login="instagram"))
        assert TOKEN not in "".join(traceback.format_exception(caught.value))
        assert TOKEN not in caplog.text
