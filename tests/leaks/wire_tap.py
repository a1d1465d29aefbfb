"""A wire that is listened to: every byte on its way to a provider, its headers too, before anybody redacts anything."""

import contextlib
import socket
import threading
from urllib.parse import urlsplit


class WireTap:
    """Passes connections on to `target` and keeps what is sent there; what comes back is not kept."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._sent: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def contents(self) -> bytes:
        return b"".join(self._sent)

    def stop(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            try:
                provider = socket.create_connection(self._target)
            except OSError:
                caller.close()
                continue
            for source, sink, kept in ((caller, provider, self._sent), (provider, caller, None)):
                threading.Thread(target=_pass_on, args=(source, sink, kept), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, kept: list[bytes] | None) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            if kept is not None:
                kept.append(part)
            sink.sendall(part)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
