"""A server on loopback that takes POSTs, for tests of what leaves the building."""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class HttpReceiver:
    """Keeps what it was sent and answers each POST with `respond(handler)`, at first 200 and `{"id": "id-1"}`."""

    def __init__(self, *, tls=None):
        self.received, self.connections = [], 0
        self._stopped = threading.Event()
        self.answers(200, {"id": "id-1"})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                outer.connections += 1
                super().setup()

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.received.append(Received(self.path, dict(self.headers), body))
                try:
                    outer.respond(self)
                except OSError:  # the client has had enough
                    self.close_connection = True

            def log_message(self, *_):
                pass

        class Listener(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):  # a handshake that was refused
                pass

        self._server = Listener(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def answers(self, status, body, **headers):
        """body: bytes as they are, anything else as JSON. headers: with _ for -."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()

        def respond(handler):
            handler.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.end_headers()
            handler.wfile.write(content)

        self.respond = respond

    def sends_raw(self, *parts, endless=b"", pause_s=0.0):
        """These bytes instead of an answer, then `endless` again and again, then a closed connection."""

        def respond(handler):
            handler.close_connection = True
            handler.wfile.write(b"".join(parts))
            while endless:
                handler.wfile.write(endless)
                if self._stopped.wait(pause_s):
                    return

        self.respond = respond

    def never_answers(self):
        """The request arrives, and then nothing."""
        self.respond = lambda _: self._stopped.wait()

    def url(self, *, host="127.0.0.1", scheme="http", path="/answers"):
        return f"{scheme}://{host}:{self.port}{path}"

    def stop(self):
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
