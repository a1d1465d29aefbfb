"""The generic channel: what leaves by it, byte by byte, and what its parser alone promises."""

import json
import re
import socket
import traceback
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from channels.base import (
    AccountState,
    ChannelError,
    Choice,
    Identity,
    OutboundMessage,
    SendingAccount,
    Template,
)
from channels.generic import account_hints, parse
from channels.registry import build_channels
from channels.signature import signature_matches
from tests.http_receiver import HttpReceiver

SECRET = "secret-of-acme"
KEY = "0199f2a0-0000-7000-8000-000000000001"
ADA = (
    Identity("external", "web-forms:visitor-7"),
    Identity("email", "ada@example.com"),
    Identity("phone", "15550001111"),
)
DOCS = Path(__file__).parent.parent.parent / "docs" / "generic-channel.md"
REFUSED = {"permanent": True, "uncertain": False, "account_blocked": False, "retry_after_s": None}
LATER = {"permanent": False, "uncertain": False, "account_blocked": False}
OPEN = {"permanent": True, "uncertain": True, "account_blocked": False, "retry_after_s": None}
BLOCKED = {"permanent": False, "uncertain": False, "account_blocked": True, "retry_after_s": 300.0}


@pytest.fixture
def receiver():
    server = HttpReceiver()
    yield server
    server.stop()


@cache
def channel(*, timeout_s=5.0, allow_private_addresses=True):
    nowhere = "http://127.0.0.1:9"
    return build_channels(
        graph_url=nowhere,
        instagram_url=nowhere,
        version="v26.0",
        timeout_s=timeout_s,
        allow_private_addresses=allow_private_addresses,
    )["generic"]


def message(text="It left yesterday.", *, recipient=ADA, callback=KEY, **more):
    return OutboundMessage(recipient=recipient, text=text, callback=callback, **more)


def account(receiver, **more):
    fields = {"account_id": "web-forms", "access_token": "", "signing_secret": SECRET, "reply_url": receiver.url()}
    return SendingAccount(**{**fields, **more})


def failure(receiver, outbound=None, *, timeout_s=5.0, **of_account):
    with pytest.raises(ChannelError) as caught:
        channel(timeout_s=timeout_s).send(outbound or message(), account=account(receiver, **of_account))
    return caught.value


def flags(error, expected):
    return {name: getattr(error, name) for name in expected}


def sent(receiver, outbound, **of_account):
    channel().send(outbound, account=account(receiver, **of_account))
    return receiver.received[-1].json


def test_an_answer_is_one_signed_post(receiver):
    assert channel().send(message(), account=account(receiver)) == "id-1"
    (request,) = receiver.received
    assert request.path == "/answers"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Idempotency-Key"] == KEY
    assert signature_matches(request.body, request.headers["X-Hub-Signature-256"], SECRET)
    assert request.json == {
        "account_id": "web-forms",
        "to": {"id": "visitor-7", "email": "ada@example.com", "phone": "+15550001111"},
        "text": "It left yesterday.",
        "link": None,
        "choices": [],
        "in_reply_to": None,
        "in_public": False,
        "written_by": "automation",
        "idempotency_key": KEY,
    }


def test_an_answer_brings_all_that_the_channel_can_carry(receiver):
    outbound = message(
        link=("Open the form", "https://acme.example/refund"),
        choices=(Choice("yes", "Yes, please"), Choice("no", "No")),
        quotes_provider_id="form-0001",
        written_by="human",
    )
    body = sent(receiver, outbound)
    assert body["link"] == {"label": "Open the form", "url": "https://acme.example/refund"}
    assert body["choices"] == [{"id": "yes", "title": "Yes, please"}, {"id": "no", "title": "No"}]
    assert (body["in_reply_to"], body["written_by"]) == ("form-0001", "human")


@pytest.mark.parametrize("in_public", [True, False])
def test_a_comment_is_answered_in_public_or_not(in_public, receiver):
    body = sent(receiver, message(reply_to_comment_id="comment-1", in_public=in_public))
    assert (body["in_reply_to"], body["in_public"]) == ("comment-1", in_public)


@pytest.mark.parametrize(
    ("recipient", "to"),
    [
        (ADA[1:2], {"id": None, "email": "ada@example.com", "phone": None}),
        (ADA[2:], {"id": None, "email": None, "phone": "+15550001111"}),
        ((Identity("external", "web-forms:mailto:ada@example.com"),), {"id": "mailto:ada@example.com", "email": "ada@example.com", "phone": None}),
        ((Identity("external", "web-forms:tel:+15550001111"),), {"id": "tel:+15550001111", "email": None, "phone": "+15550001111"}),
        ((Identity("external", "web-forms:a:b"),), {"id": "a:b", "email": None, "phone": None}),
        ((Identity("external", "web-forms:1"), *ADA), {"id": "1", "email": "ada@example.com", "phone": "+15550001111"}),
        ((Identity("external", "chat:9"), Identity("igsid", "9"), *ADA[1:2]), {"id": None, "email": "ada@example.com", "phone": None}),
    ],
)  # fmt: skip
def test_the_recipient_is_what_this_account_knows_of_the_customer(recipient, to, receiver):
    assert sent(receiver, message(recipient=recipient))["to"] == to


@pytest.mark.parametrize(
    "recipient",
    [(), (Identity("external", "chat:9"),), (Identity("username", "web-forms:ada"),), (Identity("external", "web-forms:"),)],
)  # fmt: skip
def test_a_customer_this_account_cannot_reach_is_a_permanent_failure(recipient, receiver):
    error = failure(receiver, message(recipient=recipient))
    assert (error.code, flags(error, REFUSED), receiver.connections) == ("no_recipient", REFUSED, 0)


@pytest.mark.parametrize(
    ("text", "arrives"), [("lone \ud83d", "lone �"), ("nul \x00", "nul �"), ("😞 ü", "😞 ü"), ("x" * 5000, "x" * 4096)]
)
def test_any_text_can_be_sent(text, arrives, receiver):
    assert sent(receiver, message(text))["text"] == arrives


def test_a_template_has_no_meaning_here(receiver):
    error = failure(receiver, message(template=Template("refund", "en_US")))
    assert (error.code, flags(error, REFUSED), receiver.connections) == ("no_templates_here", REFUSED, 0)


@pytest.mark.parametrize(
    ("body", "message_id"),
    [
        ({"id": "m-1"}, "m-1"),
        ({"id": 7}, "7"),
        ({"id": "m-1", "other": [1]}, "m-1"),
        ({}, KEY),
        ({"id": None}, KEY),
        ({"id": " "}, KEY),
        ({"id": "x" * 600}, KEY),
        ([], KEY),
        (b"", KEY),
        (b"<html>", KEY),
        (b"[" * 60_000, KEY),
        (b'{"id":"m-1"}' + b" " * 70_000, KEY),
    ],
)
@pytest.mark.parametrize("status", [200, 201, 202])
def test_the_answers_id_is_the_messages_id_and_without_one_it_is_our_key(status, body, message_id, receiver):
    receiver.answers(status, body)
    assert channel().send(message(), account=account(receiver)) == message_id


def test_an_answer_without_content_is_taken(receiver):
    receiver.sends_raw(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert channel().send(message(), account=account(receiver)) == KEY


def test_a_message_that_was_taken_is_not_repeated_because_its_id_was_cut_off(receiver):
    receiver.sends_raw(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"id":')
    assert channel().send(message(), account=account(receiver)) == KEY
    assert len(receiver.received) == 1


def test_a_huge_answer_is_an_answer(receiver):
    receiver.sends_raw(b"HTTP/1.1 200 OK\r\n\r\n", endless=b'{"id":' + b" " * 65536)
    assert channel(timeout_s=60).send(message(), account=account(receiver)) == KEY


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *[(status, REFUSED) for status in (301, 302, 303, 307, 308, 400, 402, 404, 405, 410, 413, 415, 422, 451)],
        *[(status, LATER | {"retry_after_s": 10.0}) for status in (408, 409, 425, 429, 500, 502, 503, 504, 599)],
        *[(status, BLOCKED) for status in (401, 403)],
    ],
)
def test_what_a_refusal_means(status, expected, receiver):
    receiver.answers(status, b"Ada Lovelace is not here", Location=receiver.url(path="/elsewhere"))
    error = failure(receiver)
    assert (error.code, flags(error, expected)) == (f"http_{status}", expected)
    assert [request.path for request in receiver.received] == ["/answers"]


@pytest.mark.parametrize("status", [409, 429, 503])
@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry_After": "90"}, 90.0),
        ({"Retry_After": "0"}, 1.0),
        ({"Retry_After": "99999999"}, 3600.0),
        ({"Retry_After": "soon"}, 10.0),
    ],
)
def test_the_next_try_waits_as_long_as_it_was_asked_to(status, headers, wait_s, receiver):
    receiver.answers(status, b"", **headers)
    error = failure(receiver)
    assert (flags(error, LATER), error.retry_after_s) == (LATER, wait_s)


def test_no_answer_in_time_is_safe_to_try_again(receiver):
    receiver.never_answers()
    error = failure(receiver, timeout_s=0.2)
    assert (error.code, flags(error, LATER), error.retry_after_s) == ("no_answer", LATER, 10.0)
    assert len(receiver.received) == 1


def test_a_connection_that_breaks_after_the_request_is_safe_to_try_again(receiver):
    receiver.sends_raw(b"")
    error = failure(receiver)
    assert (error.code, flags(error, LATER), len(receiver.received)) == ("no_answer", LATER, 1)


def test_a_second_try_says_the_same_byte_for_byte(receiver):
    receiver.answers(503, b"")
    failure(receiver)
    receiver.answers(200, {"id": "m-1"})
    channel().send(message(), account=account(receiver))
    first, second = receiver.received
    assert (first.body, first.headers["X-Hub-Signature-256"]) == (second.body, second.headers["X-Hub-Signature-256"])


def test_nobody_listening_is_safe_to_try_again(receiver):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        error = failure(receiver, reply_url=f"http://127.0.0.1:{closed.getsockname()[1]}/")
    assert (error.code, flags(error, LATER), error.retry_after_s) == ("no_connection", LATER, 10.0)


def test_without_a_key_an_interrupted_send_is_uncertain(receiver):
    """Nobody could recognise a second one."""
    keyless = message(callback=None)
    receiver.sends_raw(b"")
    assert flags(failure(receiver, keyless), OPEN) == OPEN
    receiver.answers(502, b"")
    assert flags(failure(receiver, keyless), OPEN) == OPEN
    receiver.answers(200, {})
    assert flags(failure(receiver, keyless), OPEN) == OPEN
    assert "Idempotency-Key" not in receiver.received[0].headers
    assert receiver.received[0].json["idempotency_key"] is None


@pytest.mark.parametrize("key", ["line\r\nX-Evil: 1", "ümlaut", "with space"])
def test_a_key_that_fits_no_header_stands_in_the_body_alone(key, receiver):
    assert sent(receiver, message(callback=key))["idempotency_key"] == key
    assert not {"Idempotency-Key", "X-Evil"} & set(receiver.received[0].headers)


@pytest.mark.parametrize(
    ("of_account", "code"),
    [
        ({"reply_url": None}, "no_reply_url"),
        ({"reply_url": ""}, "no_reply_url"),
        ({"signing_secret": ""}, "no_signing_secret"),
        ({"reply_url": "ftp://127.0.0.1/"}, "reply_url_refused"),
        ({"reply_url": "http://user:word@127.0.0.1/"}, "reply_url_refused"),
    ],
)
def test_an_account_that_cannot_send_is_a_permanent_failure(of_account, code, receiver):
    error = failure(receiver, **of_account)
    assert (error.code, flags(error, REFUSED), receiver.connections) == (code, REFUSED, 0)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.8]", "10.0.0.8", "169.254.169.254", "0"],
)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_the_inside_of_the_network_is_refused_unless_the_deployment_allows_it(scheme, host, receiver):
    inside = account(receiver, reply_url=receiver.url(host=host, scheme=scheme))
    with pytest.raises(ChannelError) as caught:
        channel(allow_private_addresses=False).send(message(), account=inside)
    assert (caught.value.code, flags(caught.value, REFUSED)) == ("reply_url_refused", REFUSED)
    assert receiver.connections == 0


def test_private_addresses_are_refused_when_nobody_says_otherwise(receiver):
    channels = build_channels(graph_url="http://127.0.0.1:9", instagram_url="http://127.0.0.1:9", version="v26.0")
    with pytest.raises(ChannelError, match="reply_url_refused"):
        channels["generic"].send(message(), account=account(receiver))


def test_an_error_says_nothing_of_words_addresses_or_secrets(receiver):
    secrets = (SECRET, "It left", "visitor-7", "ada@", "127.0.0.1", "is not here")
    receiver.answers(400, b"visitor-7 is not here")
    refused = failure(receiver)
    receiver.sends_raw(b"")
    for error in (refused, failure(receiver)):
        assert (error.__cause__, error.__context__) == (None, None)
        shown = [line for line in traceback.format_exception_only(error)]
        assert not any(secret in line for secret in secrets for line in shown)


def test_many_threads_share_one_channel(receiver):
    shared = channel()
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: shared.send(message(), account=account(receiver)), range(32)))
    assert (ids, len(receiver.received)) == (["id-1"] * 32, 32)


def test_there_is_nothing_to_mark_inspect_or_refresh(receiver):
    generic, at = channel(), account(receiver)
    assert generic.mark_read("form-0001", recipient=ADA, account=at) is None
    assert generic.inspect(at) == AccountState(token="alive", subscribed=None)
    assert generic.refresh_token(at) is None
    assert generic.sends_are_idempotent
    assert receiver.connections == 0


def test_the_sending_side_reads_as_the_receiver_does():
    payload = body(messages={"id": "1", "from": {"id": "7"}, "text": "hi"})
    raw = json.dumps(payload).encode()
    assert (channel().parse(payload), channel().account_hints(raw)) == (parse(payload), account_hints(raw))


def body(**lists):
    return {"account_id": "web-forms", **lists}


def test_the_same_id_at_two_accounts_is_two_messages_of_two_people():
    one = {"id": "1", "from": {"id": "7"}, "text": "hi"}
    (first,), (second,) = (parse({"account_id": name, "messages": one}).messages for name in ("forms", "chat"))
    assert (first.key_source, second.key_source) == ("generic:forms:1", "generic:chat:1")
    assert first.identities != second.identities


@pytest.mark.parametrize("person", [{"email": "Ada@Example.com"}, {"phone": "+1 (555) 000-1111"}])
def test_a_person_without_an_id_is_answered_where_the_message_came_from(person, receiver):
    (parsed,) = parse(body(messages={"id": "1", "from": person, "text": "hi"})).messages
    answered = sent(receiver, message(recipient=parsed.identities[:1]))["to"]
    assert parse(body(messages={"id": "2", "from": answered, "text": "hi"})).messages[0].identities == parsed.identities


def test_an_edit_a_deletion_and_a_reaction_name_the_message_by_its_own_key():
    person = {"from": {"id": "7"}}
    parsed = parse(
        body(
            messages=[{"id": "1", "text": "a", **person}],
            edits=[{"id": "1", "text": "b", **person}],
            deletes=[{"id": "1"}],
            reactions=[{"target_id": "1", "emoji": "👍", **person}],
        )
    )
    keys = {parsed.messages[0].key_source, parsed.edits[0].message.key_source, parsed.erasures[0].message.key_source}
    assert keys == {parsed.reactions[0].target_source} == {"generic:web-forms:1"}


def test_a_deletion_that_repeats_the_words_does_not_keep_them():
    item = {"id": "1", "text": "secret words", "quoted": "secret words", "from": {"id": "7"}}
    (erasure,) = parse(body(deletes=item)).erasures
    assert erasure.message.text is None
    assert json.loads(erasure.message.raw) == {"id": "1", "from": {"id": "7"}}


def test_a_message_is_kept_with_what_we_do_not_read_yet():
    item = {"id": "1", "from": {"id": "7"}, "text": "hi", "attachments": [{"url": "https://files.example/1"}]}
    (message,) = parse(body(messages=item)).messages
    assert json.loads(message.raw) == item


def test_metas_webhooks_at_the_wrong_url_are_counted():
    assert parse({"object": "instagram", "entry": []}).dropped == {"unknown_object": 1}


@pytest.mark.parametrize(
    ("raw", "hints"),
    [
        (b'{"account_id":"web-forms"}', {"web-forms"}),
        (b'{ "account_id" : "chat_2" , "account_id": 4711}', {"chat_2", "4711"}),
        (b'{"text":"\\"account_id\\":\\"other\\""}', set()),
        (b'{"account_id":"UPPER"}', set()),
        (b'{"account_id":', set()),
        (b" " * 100_000 + b'{"account_id":"web-forms"}', {"web-forms"}),
        (b'{"account_id":"web-forms"}' + b" " * 100_000, {"web-forms"}),
        (b" " * 100_000 + b'{"account_id":"web-forms"}' + b" " * 100_000, set()),
        (b"\xff\x00", set()),
    ],
)
def test_the_account_is_guessed_from_either_end_of_the_raw_bytes(raw, hints):
    assert account_hints(raw) == hints


def examples(language):
    return re.findall(rf"^```{language}\n(.*?)^```", DOCS.read_text(), flags=re.DOTALL | re.MULTILINE)


def test_every_example_body_in_the_documentation_is_read_without_a_loss():
    bodies = [json.loads(example) for example in examples("json") if '"written_by"' not in example]
    assert bodies
    assert [parse(body).dropped for body in bodies] == [{}] * len(bodies)


def test_the_answer_in_the_documentation_is_what_is_sent(receiver):
    (documented,) = [json.loads(example) for example in examples("json") if '"written_by"' in example]
    body = sent(
        receiver,
        message(
            documented["text"],
            link=(documented["link"]["label"], documented["link"]["url"]),
            quotes_provider_id=documented["in_reply_to"],
            callback=documented["idempotency_key"],
        ),
    )
    assert body == documented


def test_the_signing_example_in_the_documentation_signs_as_we_check(receiver, monkeypatch):
    source = next(example for example in examples("python") if "def send_to_earshot" in example)
    monkeypatch.setenv("EARSHOT_SECRET", SECRET)
    monkeypatch.setenv("EARSHOT_URL", receiver.url(path="/webhooks/generic"))
    example = {}
    exec(compile(source, str(DOCS), "exec"), example)
    example["send_to_earshot"](body(messages=[{"id": "1", "from": {"id": "7"}, "text": "ü 😞"}]))
    (request,) = receiver.received
    assert signature_matches(request.body, request.headers["X-Hub-Signature-256"], SECRET)
    assert parse(request.json).messages[0].text == "ü 😞"


def test_the_checking_example_in_the_documentation_accepts_our_signature_only(receiver, monkeypatch):
    source = next(example for example in examples("python") if "def is_from_earshot" in example)
    monkeypatch.setenv("EARSHOT_SECRET", SECRET)
    example = {}
    exec(compile(source, str(DOCS), "exec"), example)
    channel().send(message(), account=account(receiver))
    (request,) = receiver.received
    signature = request.headers["X-Hub-Signature-256"]
    assert example["is_from_earshot"](request.body, signature)
    assert not example["is_from_earshot"](request.body + b" ", signature)
    assert not example["is_from_earshot"](request.body, None)
