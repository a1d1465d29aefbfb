"""What a tenant's server may do to a worker that tells it of an alert: nothing, whatever it answers."""

import gzip
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from channels import alert_services
from channels.alert_services import AlertSendError, send_alert
from channels.guarded_http import MAX_ANSWER_BYTES
from channels.send_guard import guarded_send

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def server_that(answers):
    """The port of a server that reads what comes and leaves the rest to `answers(connection)`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(20)
            connection.recv(65536)
            try:
                answers(connection)
            except OSError:
                pass  # the other side has had enough

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join(20)
        assert not thread.is_alive()


def tell(port):
    send_alert(f"json://127.0.0.1:{port}/hook", title="t", body="b", severity="warning", allow_private=True)


def test_a_server_that_drips_its_answer_holds_no_worker(monkeypatch):
    def drips(connection):
        for byte in HEAD * 1000:
            connection.send(bytes((byte,)))
            time.sleep(0.05)

    def soon(*, allow_private):
        return guarded_send(allow_private=allow_private, within_s=0.5)

    monkeypatch.setattr(alert_services, "guarded_send", soon)
    with server_that(drips) as port:
        began = time.monotonic()
        with pytest.raises(AlertSendError):
            tell(port)
        assert time.monotonic() - began < 5


def test_an_answer_without_an_end_is_not_read_to_its_end():
    sent = []

    def floods(connection):
        connection.send(HEAD + b"\r\n")
        while True:
            connection.send(b"x" * 65536)
            sent.append(65536)

    with server_that(floods) as port:
        tell(port)
    assert sum(sent) < 64 * 1024 * 1024


def test_a_small_answer_that_unpacks_to_a_large_one_fills_no_memory(monkeypatch):
    import requests

    bomb, bodies = gzip.compress(b"\0" * 50_000_000), []

    def explodes(connection):
        connection.sendall(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb)

    watched = requests.Session.send

    def note(self, request, **kwargs):
        response = watched(self, request, **kwargs)
        bodies.append(len(response.content))
        return response

    monkeypatch.setattr(requests.Session, "send", note)
    with server_that(explodes) as port:
        tell(port)
    assert bodies == [MAX_ANSWER_BYTES]


def test_an_answer_that_breaks_off_after_its_status_was_an_answer():
    def breaks_off(connection):
        connection.send(HEAD + b"Content-Length: 100\r\n\r\n{")

    with server_that(breaks_off) as port:
        tell(port)


def test_other_threads_and_later_sends_are_free():
    with server_that(lambda connection: connection.send(HEAD + b"\r\n")) as port:
        found = []
        with guarded_send(allow_private=False):
            other = threading.Thread(target=lambda: found.append(socket.getaddrinfo("127.0.0.1", port)))
            other.start()
            other.join()
        assert found and socket.getaddrinfo("127.0.0.1", port)
        tell(port)
