"""Requests to URLs that tenants choose: they reach the open internet only, end in time, and are never repeated."""

import ipaddress
import socket
import ssl
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from channels.guarded_http import MAX_ANSWER_BYTES, Answer, GuardedHttp, RequestFailed, is_public
from tests.http_receiver import HttpReceiver

PUBLIC, ANOTHER_PUBLIC = "93.184.215.14", "2606:4700::1111"


@pytest.fixture
def receiver():
    server = HttpReceiver()
    yield server
    server.stop()


@pytest.fixture
def names(monkeypatch):
    """Names to lists of addresses, one list a look-up (the last one stays); `names.asked` tells the look-ups."""

    class Names(dict):
        asked = []

    table = Names()
    table.asked = []
    look_up = socket.getaddrinfo

    def fake(host, port, *args, **more):
        if host not in table:
            return look_up(host, port, *args, **more)
        table.asked.append(host)
        addresses = table[host].pop(0) if len(table[host]) > 1 else table[host][0]
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        return [
            (family, socket.SOCK_STREAM, 6, "", (address, port))
            for family, address in zip(families, addresses, strict=True)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", fake)
    return table


def post(url, *, timeout_s=5.0, allow_private_addresses=True, **headers):
    http = GuardedHttp(timeout_s=timeout_s, allow_private_addresses=allow_private_addresses)
    return http.post(url, body=b"{}", headers=headers)


def failure(url, **options):
    with pytest.raises(RequestFailed) as caught:
        post(url, **options)
    return caught.value


@pytest.mark.parametrize(
    "address", [PUBLIC, ANOTHER_PUBLIC, "8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_of_the_open_internet_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    """127.0.0.1 127.8.8.8 0.0.0.0 10.0.0.8 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 100.100.100.200
    192.0.0.192 192.88.99.1 168.63.129.16 198.18.0.1 203.0.113.9 224.0.0.1 239.1.2.3 240.0.0.1 255.255.255.255
    :: ::1 fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 fec0::1 ff02::1 ff0e::1 2001:db8::1 2001::1 100::1
    ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 ::ffff:0:10.0.0.1 2002:7f00:1:: 2002:a00:1::
    64:ff9b::a00:1 64:ff9b::7f00:1 64:ff9b:1::a00:1""".split()
    + ["", "localhost", "1.2.3", "8.8.8.8 "],
)
def test_addresses_of_the_inside_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "LOCALHOST", "0", "0x7f.1", "2130706433", "127.1", "[::1]", "[::ffff:127.0.0.1]"],
)
def test_our_own_machine_is_refused_however_it_is_spelled(host, receiver):
    error = failure(receiver.url(host=host, scheme="https"), allow_private_addresses=False)
    assert (error.code, receiver.connections) == ("refused", 0)


@pytest.mark.parametrize(
    "host", ["10.0.0.8", "192.168.1.1", "169.254.169.254", "[::ffff:10.0.0.1]", "[fe80::1]", "[fd00:ec2::254]"]
)
def test_an_inner_address_is_refused(host):
    assert failure(f"https://{host}/latest/meta-data", allow_private_addresses=False).code == "refused"


@pytest.mark.parametrize("addresses", [["127.0.0.1"], [PUBLIC, "10.0.0.8"], ["::1", PUBLIC], ["::ffff:127.0.0.1"]])
def test_a_name_with_any_inner_address_is_refused(addresses, names):
    names["gateway.example"] = [addresses]
    assert failure("https://gateway.example/", allow_private_addresses=False).code == "refused"


def test_a_name_that_changes_its_mind_after_the_check_gains_nothing(names, receiver):
    names["gateway.example"] = [[PUBLIC], ["127.0.0.1"]]
    with pytest.raises(AssertionError, match=PUBLIC.replace(".", r"\.")):  # the tests' own guard sees where it goes
        post(receiver.url(host="gateway.example", scheme="https"), allow_private_addresses=False)
    assert (names.asked, receiver.connections) == (["gateway.example"], 0)


@pytest.mark.parametrize(
    "url",
    [
        "http://8.8.8.8/",
        "ftp://8.8.8.8/",
        "https://",
        "https:///path",
        "https://user:password@8.8.8.8/",
        "https://user@8.8.8.8/",
        "gateway.example/answers",
        "",
        "https://8.8.8.8:99999/",
        "https://8.8.8.8:0/",
        "https://8.8.8.8:port/",
        "https://gate way.example/",
        "https://gate\x00way.example/",
        "https://[::1",
        "file:///etc/passwd",
    ],
)
def test_a_url_that_is_no_plain_https_one_is_refused_without_a_look_up(url, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    assert failure(url, allow_private_addresses=False).code == "refused"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://user:password@127.0.0.1/", "http://"])
def test_private_addresses_allowed_are_no_licence_for_odd_urls(url):
    assert failure(url).code == "refused"


def test_a_request_arrives_as_it_was_made(receiver):
    answer = post(receiver.url(path="/answers?tenant=acme"), **{"X-Signature": "s"})
    (request,) = receiver.received
    assert (request.path, request.body, request.headers["X-Signature"]) == ("/answers?tenant=acme", b"{}", "s")
    assert request.headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b'{"id": "id-1"}', "14")


def test_the_host_header_is_the_name_and_the_name_is_looked_up_once(names, receiver):
    names["gateway.example"] = [["127.0.0.1"]]
    assert post(receiver.url(host="gateway.example")).status == 200
    assert receiver.received[0].headers["Host"] == f"gateway.example:{receiver.port}"
    assert names.asked == ["gateway.example"]


def test_the_next_address_is_tried_when_one_does_not_answer(names, receiver):
    names["gateway.example"] = [["::1", "127.0.0.1"]]
    assert post(receiver.url(host="gateway.example")).status == 200
    assert len(receiver.received) == 1


@pytest.fixture
def certificates(tmp_path, monkeypatch):
    """Makes a server's TLS context for a name, under an authority that this process trusts."""

    def certificate(subject, key, *, issuer, issuer_key, authority):
        now = datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer or name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([general_name(subject)]), critical=False)
        )
        return builder.sign(issuer_key, hashes.SHA256())

    def general_name(subject):
        try:
            return x509.IPAddress(ipaddress.ip_address(subject))
        except ValueError:
            return x509.DNSName(subject)

    def pem(certificate):
        return certificate.public_bytes(serialization.Encoding.PEM)

    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = certificate("authority", authority_key, issuer=None, issuer_key=authority_key, authority=True)
    trusted = tmp_path / "authority.pem"
    trusted.write_bytes(pem(authority))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))

    def server_context(name):
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        files = tmp_path / "server.pem"
        own = certificate(name, key, issuer=authority.subject, issuer_key=authority_key, authority=False)
        files.write_bytes(private + pem(own))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files)
        return context

    return server_context


def tls_receiver(context):
    asked = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    return HttpReceiver(tls=context), asked


def test_tls_asks_for_the_name_not_for_the_address(names, certificates):
    names["gateway.example"] = [["127.0.0.1"]]
    receiver, asked = tls_receiver(certificates("gateway.example"))
    try:
        assert post(receiver.url(host="gateway.example", scheme="https")).status == 200
    finally:
        receiver.stop()
    assert (asked, len(receiver.received)) == (["gateway.example"], 1)


def test_a_certificate_for_an_address_is_good_for_that_address(certificates):
    receiver, _ = tls_receiver(certificates("127.0.0.1"))
    try:
        assert post(receiver.url(scheme="https")).status == 200
    finally:
        receiver.stop()


def test_a_certificate_for_another_name_is_no_connection(names, certificates):
    names["gateway.example"] = [["127.0.0.1"]]
    receiver, _ = tls_receiver(certificates("other.example"))
    try:
        assert failure(receiver.url(host="gateway.example", scheme="https")).code == "no_connection"
    finally:
        receiver.stop()
    assert receiver.received == []


def test_a_redirect_is_an_answer_and_is_not_followed(receiver):
    receiver.answers(307, b"", Location=receiver.url(path="/elsewhere"))
    assert post(receiver.url()).status == 307
    assert [request.path for request in receiver.received] == ["/answers"]


def test_each_request_has_a_connection_of_its_own(receiver):
    http = GuardedHttp(allow_private_addresses=True)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: http.post(receiver.url(), body=b"{}", headers={}), range(32)))
    assert {answer.status for answer in answers} == {200}
    assert (len(receiver.received), receiver.connections) == (32, 32)


def test_nobody_listening_is_no_connection():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert failure(f"http://127.0.0.1:{closed.getsockname()[1]}/").code == "no_connection"


def test_time_that_is_up_before_the_connection_sends_nothing(receiver):
    assert failure(receiver.url(), timeout_s=0).code == "no_connection"
    assert receiver.connections == 0


@pytest.mark.parametrize("host", ["gateway.example", "a" * 64 + ".example", "..", "-"])
def test_a_name_without_an_address_is_no_connection(host, monkeypatch):
    def unknown(host, *_, **__):
        host.encode("idna")  # what the real one does first, and it may raise
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert failure(f"https://{host}/", allow_private_addresses=False).code == "no_connection"


@pytest.mark.parametrize(
    "raw", [b"", b"HTTP/1.1 20", b"220 mail.example ESMTP\r\n", b"HTTP/1.1 200 OK\r\nX" + b"x" * 200_000]
)
def test_what_is_no_http_answer_is_no_answer(raw, receiver):
    receiver.sends_raw(raw)
    assert failure(receiver.url()).code == "no_answer"
    assert len(receiver.received) == 1


def test_headers_that_never_end_are_given_up_in_time(receiver):
    receiver.sends_raw(b"HTTP/1.1 200 OK\r\n", endless=b"X-Drip: 1\r\n", pause_s=0.02)
    begun = time.monotonic()
    assert failure(receiver.url(), timeout_s=0.4).code == "no_answer"
    assert time.monotonic() - begun < 5


def test_a_body_that_never_ends_is_given_up_in_time_and_the_status_counts(receiver):
    receiver.sends_raw(b"HTTP/1.1 202 Accepted\r\n\r\n", endless=b"x", pause_s=0.02)
    begun = time.monotonic()
    answer = post(receiver.url(), timeout_s=0.4)
    assert (answer.status, answer.body) == (202, None)
    assert time.monotonic() - begun < 5


def test_an_endless_body_is_not_read_into_memory(receiver):
    receiver.sends_raw(b"HTTP/1.1 200 OK\r\n\r\n", endless=b"x" * 65536)
    assert post(receiver.url(), timeout_s=60).body is None


@pytest.mark.parametrize(("size", "kept"), [(MAX_ANSWER_BYTES, True), (MAX_ANSWER_BYTES + 1, False)])
def test_an_answer_is_read_up_to_a_bound(size, kept, receiver):
    receiver.answers(200, b"x" * size)
    assert post(receiver.url()).body == (b"x" * size if kept else None)


def test_a_body_that_is_cut_off_leaves_the_status(receiver):
    receiver.sends_raw(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"id":')
    assert post(receiver.url()) == Answer(status=200, headers={"content-length": "99"}, body=None)


def test_the_body_of_a_refusal_is_not_read(receiver):
    receiver.sends_raw(b"HTTP/1.1 500 Oops\r\n\r\n", endless=b"x" * 65536)
    answer = post(receiver.url(), timeout_s=60)
    assert (answer.status, answer.body) == (500, b"")


def test_a_failure_says_nothing_of_where_it_went(receiver):
    receiver.sends_raw(b"")
    error = failure(receiver.url(path="/secret-path"))
    assert (str(error), error.__cause__, error.__context__) == ("no_answer", None, None)
    refused = failure("https://user:secret-word@10.0.0.8/", allow_private_addresses=False)
    assert "secret-word" not in "".join(traceback.format_exception(refused))


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "9" * 400}, 999_999_999.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "٧"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 12:01:30 GMT", "date": "Mon, 23 Nov 2026 12:00:00 GMT"}, 90.0),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT", "date": "Mon, 23 Nov 2026 12:00:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 23 Nov 2026 12:01:30 GMT"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 12:01:30 -0000", "date": "Mon, 23 Nov 2026 12:00:00 GMT"}, None),
    ],
)
def test_how_long_a_server_asks_to_wait(headers, wait_s):
    assert Answer(status=429, headers=headers, body=b"").retry_after_s == wait_s
