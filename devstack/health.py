"""Does it answer? One short question per kind of process."""

import http.client
import socket
from urllib.parse import urlsplit

import psycopg

TIMEOUT_S = 1.0
HTTP_OK = 200


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


def postgres_answers(url: str) -> bool:
    """A query is answered. Raises: psycopg.OperationalError when the server is up and refuses the user or password."""
    try:
        with psycopg.connect(url, connect_timeout=2, autocommit=True) as conn:
            conn.execute("SELECT 1")
    except psycopg.errors.InvalidPassword:
        raise
    except psycopg.OperationalError:
        return False
    return True


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
