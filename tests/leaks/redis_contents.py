"""Redis: what stands in it now, what was ever said to it, and what it has written to disk."""

import contextlib
import socket
import threading
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import redis

# Who may speak to it; only the account that it runs as reads it.
SETTINGS_FILE = "valkey.conf"
SAVED_WITHIN_S = 20


def in_memory(url: str) -> bytes:
    """Every key of every type with its values, and the same serialized, as DUMP and a replica see it."""
    parts: list[bytes] = []
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(count=1000):
            kind = client.type(key)
            read = {
                b"list": lambda key=key: client.lrange(key, 0, -1),
                b"hash": lambda key=key: [part for pair in client.hgetall(key).items() for part in pair],
                b"set": lambda key=key: client.smembers(key),
                b"zset": lambda key=key: client.zrange(key, 0, -1),
                b"string": lambda key=key: [client.get(key)],
                b"stream": lambda key=key: [
                    part for _, one in client.xrange(key) for pair in one.items() for part in pair
                ],
                b"none": list,  # it has just expired
            }[kind]
            parts += [key, *(value or b"" for value in read()), client.dump(key) or b""]
    return b"\n".join(parts)


def on_disk(url: str, folder: Path) -> bytes:
    """A snapshot and the append-only file, written now and without compression, which hides what a search looks for."""
    with redis.Redis.from_url(url) as client:
        client.config_set("rdbcompression", "no")
        client.bgrewriteaof()
        _wait_until_written(client)
        client.bgsave()
        _wait_until_written(client)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != SETTINGS_FILE]
    assert {path.suffix for path in files} >= {".rdb", ".aof"}, files
    return b"\n".join(path.read_bytes() for path in files)


def _wait_until_written(client: redis.Redis) -> None:
    give_up_at = time.monotonic() + SAVED_WITHIN_S
    while (state := client.info("persistence"))["aof_rewrite_in_progress"] or state["rdb_bgsave_in_progress"]:
        assert time.monotonic() < give_up_at, "Redis does not finish writing its files"
        time.sleep(0.05)


class CommandsHeard:
    """Everything that anybody says to Redis from now on: tasks that are gone again, and Celery's events, which are never kept."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port))
        self._socket.sendall(f"AUTH {unquote(parts.password or '')}\r\nMONITOR\r\n".encode())
        self._heard: list[bytes] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def contents(self) -> bytes:
        return b"".join(self._heard)

    def stop(self) -> None:
        self._socket.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while part := self._socket.recv(65536):
                self._heard.append(part)
