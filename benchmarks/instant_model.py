"""A model that answers from memory: `python -m benchmarks.instant_model`, which prints its port and serves until it is ended.

The stand-in for Claude reads each message and writes down each call, which takes a tenth of two cores at a load that the pipe is measured
with. Here it is asked once for each sentence of the load, and what it said is said again.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

from benchmarks.pipe import WORDS
from devstack.standins.claude import Claude
from devstack.standins.exchange import Request

_HEADERS_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
# As they stand in a request's JSON, whether it escapes or not.
_SENTENCES = tuple(dict.fromkeys(said for word in WORDS for said in (json.dumps(word)[1:-1].encode(), word.encode())))


class _Connection(asyncio.Protocol):
    """One connection, whose requests come one after the other."""

    def __init__(self, claude: Claude, answers: dict[bytes, bytes]) -> None:
        self._claude, self._answers = claude, answers
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(_HEADERS_END)
        if not end:
            return
        length = int(head.lower().partition(_LENGTH)[2].partition(b"\r\n")[0] or b"0")
        if len(rest) < length:
            return
        self._received = rest[length:]
        self._transport.write(self._answer(head, rest[:length]))

    def _answer(self, head: bytes, body: bytes) -> bytes:
        # What was written before comes first in a request, the message itself last.
        sentence = max(_SENTENCES, key=body.rfind)
        if body.rfind(sentence) < 0:
            return self._asked(head, body)
        if sentence not in self._answers:
            self._answers[sentence] = self._asked(head, body)
        return self._answers[sentence]

    def _asked(self, head: bytes, body: bytes) -> bytes:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        answer = self._claude.handle(Request(method, path, {}, headers, body))
        said = json.dumps(answer.body).encode()
        told = {"content-type": "application/json", "content-length": str(len(said)), **answer.headers}
        started = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        return f"HTTP/1.1 {answer.status} -\r\n{started}\r\n".encode() + said


async def _serve() -> None:
    claude, answers = Claude(), dict[bytes, bytes]()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(claude, answers), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def running_model() -> Generator[tuple[str, int]]:
    """(address, process id) of one, until the block ends."""
    model = subprocess.Popen([sys.executable, "-m", "benchmarks.instant_model"], stdout=subprocess.PIPE, text=True)
    assert model.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(model.stdout.readline())}", model.pid
    finally:
        model.terminate()
        model.wait()


if __name__ == "__main__":
    asyncio.run(_serve())
