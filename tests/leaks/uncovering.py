"""What bytes hide: base64 in JSON in a task's body, a page compressed in a file, digits behind escapes.

A search of the bytes as they are finds nothing of a customer in Redis, even where all of it stands there: Celery's bodies are base64.
"""

import base64
import binascii
import html
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote

MAX_DEPTH = 5
MAX_INFLATED_BYTES = 4_000_000
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){8,}")
_COMPRESSED = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_BYTE_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})")


def uncovered(raw: bytes) -> Iterator[str]:
    """The bytes as text, and whatever can be decoded from parts of them, level by level; each once."""
    waiting, seen = [(raw, 0)], set[bytes]()
    while waiting:
        layer, depth = waiting.pop()
        if layer in seen:
            continue
        seen.add(layer)
        yield layer.decode(errors="replace")
        if depth < MAX_DEPTH:
            waiting.extend((inner, depth + 1) for inner in _inner_layers(layer))


def _inner_layers(layer: bytes) -> Iterator[bytes]:
    yield from _unescaped(layer)
    for token in set(_BASE64.findall(layer)):
        with suppress(binascii.Error, ValueError):
            plain = token.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
            yield base64.b64decode(plain + b"=" * (-len(plain) % 4))
    for token in set(_HEX.findall(layer)):
        yield bytes.fromhex(token.decode())
    for start in _COMPRESSED.finditer(layer):
        with suppress(zlib.error):
            inflater = zlib.decompressobj(wbits=47)  # zlib or gzip, as it says itself
            yield inflater.decompress(layer[start.start() :], MAX_INFLATED_BYTES)


def _unescaped(layer: bytes) -> Iterator[bytes]:
    """The same with its escapes undone, where it has any."""
    by_byte = _BYTE_ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), layer)
    text = by_byte.decode(errors="replace")
    text = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    plain = unquote(html.unescape(text).replace('\\"', '"')).encode(errors="replace")
    if plain != layer:
        yield plain
