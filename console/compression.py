"""Smaller answers for browsers that take gzip; how that stays safe: docs/adr/0026-compressed-pages.md."""

import gzip
import io
import secrets

from flask import Flask, Response, request

# Below this the headers weigh more than what is saved.
LEAST_BYTES = 700
LEVEL = 6
# Up to so many bytes that mean nothing: a length then says less about what was compressed.
MOST_PADDING = 64
COMPRESSED_TYPES = frozenset(
    {
        "text/html",
        "text/css",
        "text/javascript",
        "application/javascript",
        "application/json",
        "application/problem+json",
        "image/svg+xml",
    }
)
# Only what a page of ours or the person asked for. A foreign page that sends a browser here, with words of its own choice in the
# address, gets an answer whose length tells it nothing. Browsers too old to say who asks get no compression.
_ASKED_BY_OURS = frozenset({"same-origin", "none"})


def add_compression(app: Flask) -> None:
    """After every answer. Streams and files that are sent as they lie on the disk are left alone."""
    app.after_request(_compress)


def _compress(answer: Response) -> Response:
    if answer.is_streamed or answer.mimetype not in COMPRESSED_TYPES or "Content-Encoding" in answer.headers:
        return answer
    answer.vary.add("Accept-Encoding")
    if answer.mimetype == "text/html":
        answer.vary.add("Sec-Fetch-Site")
    if not _may_be_compressed(answer):
        return answer
    body = answer.get_data()
    if len(body) < LEAST_BYTES:
        return answer
    answer.set_data(squeeze(body, padding=secrets.randbelow(MOST_PADDING)))
    answer.headers["Content-Encoding"] = "gzip"
    return answer


def _may_be_compressed(answer: Response) -> bool:
    if request.method == "HEAD" or answer.status_code not in range(200, 600) or answer.status_code in {204, 206, 304}:
        return False
    if not request.accept_encodings["gzip"]:
        return False
    return answer.mimetype != "text/html" or request.headers.get("Sec-Fetch-Site") in _ASKED_BY_OURS


def squeeze(body: bytes, *, padding: int = 0, level: int = LEVEL) -> bytes:
    """As gzip. padding: so many characters stand as the name of a file, which browsers read over."""
    packed = io.BytesIO()
    with gzip.GzipFile("x" * padding, mode="wb", compresslevel=level, fileobj=packed, mtime=0) as file:
        file.write(body)
    return packed.getvalue()
