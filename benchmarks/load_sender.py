"""Signed webhooks over raw keep-alive connections, each sent when the one before it was answered. A process of its own.

`python -m benchmarks.load_sender PORT CONNECTIONS SECONDS MARK SECRET`: prints one JSON object. It shares the cores with what it loads, so everything is
made before the clock starts, and an answer is looked at for its status only. MARK makes the ids unique.
"""

import hashlib
import hmac
import json
import select
import socket
import sys
import time

from benchmarks.open_pages import percentile
from tests.webhooks import whatsapp_body, whatsapp_message

# More than any server here answers.
MOST_PER_S = 30_000
# What is answered before everything is warm does not count.
WARM_UP_S = 0.5
_ID, _SENDER = "wamid.HBgMOTA1NTUxMTEyMjMzFQIAEhggIIIIIIIIIIII", "90555SSSSSSS"
_TEXT = "Merhaba, kargom üç gündür dağıtımda görünüyor ama hâlâ gelmedi, param iade edilsin lütfen."


def make_requests(count: int, *, mark: str, secret: str) -> list[bytes]:
    """Whole HTTP requests with a message each, of some 620 bytes of body."""
    message = whatsapp_message(_TEXT, sender=_SENDER, message_id=_ID, timestamp=str(int(time.time())))
    template = whatsapp_body(message).decode()
    key = secret.encode()
    made: list[bytes] = []
    for number in range(count):
        unique = template.replace("IIIIIIIIIIII", f"{mark:>3.3}{number:09}")
        body = unique.replace("SSSSSSS", f"{number // 3:07}").encode()
        signature = hmac.digest(key, body, hashlib.sha256).hex()
        made.append(
            f"POST /webhooks/whatsapp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
    return made


def is_whole(answer: bytes) -> bool:
    """Whether the head is there and as much body as it announces."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    announced = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
    return len(body) >= int(announced)


def run(port: int, *, connections: int, seconds: float, requests: list[bytes]) -> dict[str, float]:
    """per_s: answers of 200 a second after the warm-up; p50_ms, p99_ms: of these; answered: all; refused: those of another status."""
    poll = select.epoll()
    sockets: dict[int, socket.socket] = {}
    sent_at: dict[int, float] = {}
    got: dict[int, bytes] = {}
    waiting = iter(requests)
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[connection.fileno()] = connection
        poll.register(connection, select.EPOLLIN)
    began = time.perf_counter()
    counts_from, over_at = began + WARM_UP_S, began + WARM_UP_S + seconds
    taken_ms: list[float] = []
    refused = answered = 0
    for number, connection in sockets.items():
        sent_at[number], got[number] = time.perf_counter(), b""
        connection.sendall(next(waiting))
    now = began
    while now < over_at:
        for number, _ in poll.poll(1.0):
            received = sockets[number].recv(65536)
            assert received, "the server closed a connection"
            got[number] += received
            if not is_whole(got[number]):
                continue
            now = time.perf_counter()
            answered += 1
            if not got[number].startswith(b"HTTP/1.1 200"):
                refused += 1
            elif counts_from < now < over_at:
                taken_ms.append((now - sent_at[number]) * 1000)
            sent_at[number], got[number] = now, b""
            sockets[number].sendall(next(waiting))
        now = time.perf_counter()
    assert taken_ms, "nothing was acknowledged"
    return {
        "per_s": len(taken_ms) / seconds,
        "p50_ms": percentile(taken_ms, 0.5),
        "p99_ms": percentile(taken_ms, 0.99),
        "refused": refused,
        "answered": answered,
    }


def main() -> None:
    """Print the figures as JSON."""
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    count = int((seconds + WARM_UP_S) * MOST_PER_S) + connections
    requests = make_requests(count, mark=sys.argv[4], secret=sys.argv[5])
    print(json.dumps(run(port, connections=connections, seconds=seconds, requests=requests)))


if __name__ == "__main__":
    main()
