"""The receiver's own edges: sizes, shapes, methods, headers, slow senders, and who may read its figures."""

import gzip
import io
import json
import re
import socket
from contextlib import suppress

import pytest
from pydantic import SecretStr

from benchmarks.slow_clients import SlowClients, measure, percentile, receiver_process
from config.metrics_access import may_read_metrics
from config.request_time import TimedBodies
from tests.conftest import TEST_KEY
from tests.integration.receivers import accept_nothing, posted  # noqa: F401
from tests.webhooks import signature, whatsapp_body, whatsapp_message
from webhook_receiver.app import HEADERS, MAX_BODY_BYTES

GOOD = whatsapp_body(whatsapp_message("hello"))
TOKEN = "a-token-of-sixteen"


@pytest.fixture
def client(settings, accept_nothing, start_receiver):  # noqa: F811
    return start_receiver(settings)


def signed(client, body, **headers):
    return posted(client, body, signature(body, "acme-secret"), **headers)


def stored(owner):
    return [text for (text,) in owner.execute("SELECT text FROM message ORDER BY id").fetchall()]


# Bodies


@pytest.mark.parametrize(
    "encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "GZIP", "x-gzip", "identity, gzip"]
)
def test_no_compressed_body_is_ever_inflated(client, owner, encoding):
    bomb = gzip.compress(b"0" * 20_000_000)
    assert signed(client, bomb, **{"Content-Encoding": encoding}).status_code == 415
    assert stored(owner) == []


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"[" * 2_000_000, "body_too_wide"),
        (b'{"a":' * 30_000, "body_too_deep"),
        (b'{"object":"whatsapp_business_account","entry":[' + b"{}," * 1_000_000 + b"{}]}", "body_too_wide"),
        (b"{" + b'"a":{},' * 160_000 + b'"b":1}', "body_too_wide"),
        (b"", "body_not_json"),
        (b"\xff\xfe{\x00}\x00", "body_not_json"),
        (b'"just words"', "body_not_json"),
        (b"\x00" * 1000, "body_not_json"),
        (b"{" + b"9" * 100_000, "body_not_json"),
    ],
)
def test_a_signed_body_that_nobody_can_read_is_acknowledged_and_kept_for_a_look(client, owner, body, kept):
    assert signed(client, body).status_code == 200
    assert owner.execute("SELECT reason, body FROM unparsed_body").fetchall() == [(kept, body)]


def test_of_a_key_that_stands_twice_the_last_one_counts_for_account_and_words(client, owner):
    once = json.loads(GOOD)
    value = json.dumps(once["entry"][0]["changes"][0]["value"])
    theirs = value.replace("111000111", "222000222")
    body = f'{{"object":"whatsapp_business_account","entry":[{{"changes":[{{"field":"messages","value":{theirs},"value":{value}}}]}}]}}'
    assert signed(client, body.encode()).status_code == 200
    body = body.replace("hello", "hello too").replace(f'{theirs},"value":{value}', f'{value},"value":{theirs}')
    assert signed(client, body.encode()).status_code == 200
    assert stored(owner) == ["hello"]


def test_a_large_body_is_read_beside_the_loop_and_stored_like_any_other(client, owner, monkeypatch):
    import gevent

    used = []
    pool = gevent.get_hub().threadpool
    monkeypatch.setattr(type(pool), "apply", lambda self, work, args: used.append(work) or work(*args))
    items = [whatsapp_message("x" * 900) for _ in range(100)]
    assert signed(client, whatsapp_body(*items)).status_code == 200
    assert signed(client, GOOD).status_code == 200
    assert (len(used), len(stored(owner))) == (1, 101)


# Methods, paths, headers


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "X"])
@pytest.mark.parametrize("path", ["/webhooks/whatsapp", "/metrics", "/healthz"])
def test_no_other_method_does_anything(client, owner, path, method):
    for headers in ({}, {"X-HTTP-Method-Override": "POST", "X-Method-Override": "POST"}):
        answer = client.open(path, method=method, data=GOOD, headers=headers)
        assert answer.status_code == (200 if method == "OPTIONS" else 405)
    assert stored(owner) == []


@pytest.mark.parametrize(
    "path",
    ["/", "/webhooks", "/webhooks/", "/webhooks/whatsapp/", "/webhooks/%77hatsapp%00", "/webhooks/../metrics", "/webhooks/..%2fmetrics",
     "/.env", "/admin", "/console", "/webhooks/" + "x" * 3000, "/webhooks/<script>alert(1)</script>", "/static/app.py"],
)  # fmt: skip
def test_there_is_nothing_beside_the_doors_and_no_answer_repeats_what_was_asked(client, path):
    answer = client.post(path, data=GOOD)
    assert answer.status_code == 404 and answer.mimetype == "text/plain" and answer.text == "Not Found\n"


def test_every_answer_forbids_browsers_everything(client):
    answers = [
        client.get("/healthz"),
        client.get("/metrics"),
        client.get("/nothing"),
        client.put("/healthz"),
        client.get("/webhooks/whatsapp"),
        client.post("/webhooks/whatsapp", data=b"x" * (MAX_BODY_BYTES + 1)),
        signed(client, GOOD),
    ]
    assert {answer.status_code for answer in answers} == {200, 400, 404, 405, 413}
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert "Set-Cookie" not in answer.headers and answer.mimetype == "text/plain"


# Figures


@pytest.mark.parametrize(
    ("peer", "headers", "token", "proxies", "may"),
    [
        ("127.0.0.1", {}, None, 0, True),
        ("::1", {}, None, 0, True),
        ("::ffff:127.0.0.1", {}, None, 0, True),
        ("127.0.0.1", {}, None, 1, False),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, None, 0, False),
        ("127.0.0.1", {"host": "evil.example:8080"}, None, 0, False),
        ("127.0.0.1", {"host": "localhost.evil.example"}, None, 0, False),
        ("127.0.0.1", {"host": ""}, None, 0, False),
        ("127.0.0.1", {"host": "localhost:8080"}, None, 0, True),
        ("::1", {"host": "[::1]"}, None, 0, True),
        ("127.0.0.1", {"forwarded": "for=127.0.0.1"}, None, 0, False),
        ("10.0.0.8", {}, None, 0, False),
        ("172.17.0.1", {}, None, 0, False),
        ("203.0.113.9", {"x-forwarded-for": "127.0.0.1"}, None, 1, False),
        ("", {}, None, 0, False),
        ("localhost", {}, None, 0, False),
        ("203.0.113.9", {"authorization": f"Bearer {TOKEN}"}, TOKEN, 1, True),
        ("127.0.0.1", {}, TOKEN, 0, False),
        ("127.0.0.1", {"authorization": f"bearer {TOKEN}"}, TOKEN, 0, False),
        ("127.0.0.1", {"authorization": f"Bearer {TOKEN}x"}, TOKEN, 0, False),
        ("127.0.0.1", {"authorization": "Bearer "}, TOKEN, 0, False),
        ("127.0.0.1", {"authorization": "Bearer ü\ud800"}, TOKEN, 0, False),
    ],
)
def test_figures_are_for_this_machine_or_for_who_has_the_token(peer, headers, token, proxies, may):
    assert may_read_metrics(peer, {"host": "127.0.0.1:8080", **headers}, token=token, trusted_proxies=proxies) is may


def test_the_receivers_figures_are_closed_to_strangers(settings, accept_nothing, start_receiver):  # noqa: F811
    near = start_receiver(settings)
    assert near.get("/metrics").status_code == 200
    assert near.get("/metrics", environ_base={"REMOTE_ADDR": "203.0.113.9"}).status_code == 403
    told = start_receiver(settings.model_copy(update={"metrics_token": SecretStr(TOKEN)}))
    assert told.get("/metrics").status_code == 403
    there = {"REMOTE_ADDR": "203.0.113.9"}
    answer = told.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, environ_base=there)
    assert answer.status_code == 200 and b"earshot_" in answer.data


# Slow senders


def test_a_body_that_does_not_come_is_given_up():
    from werkzeug.exceptions import RequestTimeout

    def echo(environ, _start):
        return [environ["wsgi.input"].read(), environ["wsgi.input"].readline()]

    assert TimedBodies(echo)({"wsgi.input": io.BytesIO(b"all of it")}, None) == [b"all of it", b""]
    with pytest.raises(RequestTimeout):
        TimedBodies(echo, within_s=-1)({"wsgi.input": io.BytesIO(b"late")}, None)


def talk(port, raw):
    """The status lines of what comes back until the server hangs up; [] for nothing."""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        with suppress(ConnectionError):
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionResetError):  # it has not read all that we sent
            while chunk := connection.recv(65536):
                answer += chunk
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]


def request(*headers, body=b"", line="POST /webhooks/whatsapp HTTP/1.1"):
    return "\r\n".join((line, "Host: x", *headers, "", "")).encode("latin-1") + body


SIGNED = f"X-Hub-Signature-256: {signature(GOOD, 'acme-secret')}"
LENGTH = f"Content-Length: {len(GOOD)}"
SMUGGLED = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
# What is sent, and the answers that are right.
RAW = {
    "genuine": (request(SIGNED, LENGTH, body=GOOD), [[200]]),
    "genuine in chunks": (
        request(SIGNED, "Transfer-Encoding: chunked", body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD)),
        [[200]],
    ),
    "length says less": (request(SIGNED, f"Content-Length: {len(GOOD) - 1}", body=GOOD), [[401], [401, 400]]),
    # All that was signed has come: the signature says so, not the length.
    "length says more": (request(SIGNED, f"Content-Length: {len(GOOD) + 9}", body=GOOD), [[200], [400]]),
    "length says too much": (request(SIGNED, "Content-Length: 99999999", body=GOOD), [[413]]),
    "length is negative": (request(SIGNED, "Content-Length: -1", body=GOOD), [[400]]),
    "length is no number": (request(SIGNED, "Content-Length: 1e3", body=GOOD), [[400]]),
    "two lengths": (request(SIGNED, LENGTH, "Content-Length: 1", body=GOOD), [[400]]),
    "length and chunks": (request(SIGNED, LENGTH, "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED), [[400]]),
    "chunks of a strange name": (request(SIGNED, "Transfer-Encoding: xchunked", body=GOOD), [[400], [501]]),
    "a chunk size that is none": (request(SIGNED, "Transfer-Encoding: chunked", body=b"zz\r\nx\r\n"), [[400], [401]]),
    "chunks that never end": (
        request(SIGNED, "Transfer-Encoding: chunked", body=b"10000\r\n" + b"x" * 65536 + b"\r\n"),
        [[400], [401]],
    ),
    "chunks beyond the limit": (
        request(
            SIGNED, "Transfer-Encoding: chunked", body=b"400001\r\n" + b"x" * (MAX_BODY_BYTES + 1) + b"\r\n0\r\n\r\n"
        ),
        [[413]],
    ),
    "a line of 10,000": (request(line="GET /" + "x" * 10_000 + " HTTP/1.1"), [[400], [414]]),
    "a header of 20,000": (request("X-A: " + "x" * 20_000), [[400], [431]]),
    "300 headers": (request(*(f"X-{number}: y" for number in range(300))), [[400], [431]]),
    "a header with a NUL": (request("X-A: \x00"), [[400]]),
    "a header with a space before its colon": (request("Content-Length : 5", body=b"hello"), [[400]]),
    "a folded header": (request("X-A: b", " c"), [[400]]),
    "underscores for dashes": (request("X_Hub_Signature_256: " + SIGNED.split(": ")[1], LENGTH, body=GOOD), [[401]]),
    "no method": (b"\r\n\r\nGARBAGE\r\n\r\n", [[400]]),
    "another protocol": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [[], [400]]),
    "HTTP/9": (request(line="GET /healthz HTTP/9.9"), [[400], [505]]),
    "an absolute address": (request(line="GET http://evil.example/metrics HTTP/1.1"), [[403], [404], [400]]),
    "CONNECT": (request(line="CONNECT 169.254.169.254:80 HTTP/1.1"), [[404], [400], [405]]),
    "a script name": (request("SCRIPT_NAME: /webhooks", line="GET /healthz HTTP/1.1"), [[200], [400], [500]]),
}


def test_what_is_no_proper_http_is_refused_and_a_proper_one_after_it_is_served(app_url, owner):
    with receiver_process(app_url, keys=TEST_KEY, workers=1) as port:
        answers = {name: talk(port, raw) for name, (raw, _) in RAW.items()}
        wrong = {name: answers[name] for name, (_, right) in RAW.items() if answers[name] not in right}
        assert wrong == {}
        assert talk(port, RAW["genuine"][0]) == [200]
    assert stored(owner) == ["hello"]


@pytest.mark.slow
def test_two_hundred_slow_clients_delay_nobody(app_url, owner):
    with receiver_process(app_url, keys=TEST_KEY) as port:
        measure(port, asked=20)
        alone = measure(port, asked=200, first=1000)
        with SlowClients(port, number=200) as slow:
            beside = measure(port, asked=200, first=2000)
            assert slow.thrown_out > 0
    # The figure itself is the benchmark's; a receiver that 20 such clients stop answers nothing here.
    assert percentile(beside, 0.5) < max(250.0, 5 * percentile(alone, 0.5))
    assert owner.execute("SELECT count(*) FROM message").fetchone() == (420,)
