"""Does it answer? One short question per kind of process."""

import http.client
import socket
import struct
from urllib.parse import urlsplit

TIMEOUT_S = 1.0
HTTP_OK = 200
# A client of Postgres says the version first; the server answers with a letter, E while it recovers.
PROTOCOL_3_0, ASKS_FOR_PASSWORD = 3 << 16, b"R"


def http_answers(url: str) -> bool:
    """A GET is answered with 200."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == HTTP_OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def postgres_answers(port: int) -> bool:
    """It asks who we are, so it has recovered and lets people in. What psycopg would take for that is not loaded into the supervisor."""
    said = b"".join(b"%s\0" % word for word in (b"user", b"postgres", b"database", b"postgres", b""))
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
            connection.sendall(struct.pack("!II", 8 + len(said), PROTOCOL_3_0) + said)
            return connection.recv(1) == ASKS_FOR_PASSWORD
    except OSError:
        return False


def valkey_answers(port: int, *, password: str) -> bool:
    """PING is answered with PONG, so the data is loaded."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\nQUIT\r\n".encode())
            answer = b""
            while chunk := connection.recv(1024):
                answer += chunk
    except OSError:
        return False
    return b"+PONG" in answer
