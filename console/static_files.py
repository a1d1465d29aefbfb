"""Scripts, styles and pictures: their addresses name their content, so that a browser keeps them for good."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

from console.compression import COMPRESSED_TYPES, LEAST_BYTES, squeeze

MARK = "v"
YEAR_S = 365 * 24 * 3600
# Of an address that names another content than lies here: an old page after an update, or a process that is not updated yet.
OTHER_S = 60


@dataclass(frozen=True)
class _Packed:
    """One file, compressed once. body: None where that saves nothing. mark: of its content."""

    mark: str
    body: bytes | None


def add_static_files(app: Flask) -> None:
    """`url_for("static", …)` names the content; answers say for how long they are good, and are compressed once a process."""
    folder = Path(app.static_folder or "")

    @app.url_defaults
    def name_content(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and MARK not in values and isinstance(values.get("filename"), str):
            packed = _find(folder, values["filename"])
            if packed:
                values[MARK] = packed.mark

    @app.after_request
    def keep_for_good(answer: Response) -> Response:
        if request.endpoint != "static" or answer.status_code not in {200, 304}:
            return answer
        packed = _find(folder, str((request.view_args or {}).get("filename")))
        is_current = packed is not None and request.args.get(MARK) == packed.mark
        answer.headers["Cache-Control"] = (
            f"public, max-age={YEAR_S}, immutable" if is_current else f"public, max-age={OTHER_S}"
        )
        if packed and packed.body and answer.mimetype in COMPRESSED_TYPES:
            _use(answer, packed.body)
        return answer


def _use(answer: Response, body: bytes) -> None:
    answer.vary.add("Accept-Encoding")
    tag = answer.get_etag()[0]
    if tag:
        answer.set_etag(tag, weak=True)  # the same words in another form
    if answer.status_code == 200 and request.accept_encodings["gzip"] and "Range" not in request.headers:
        answer.direct_passthrough = False
        answer.response = [] if request.method == "HEAD" else [body]
        answer.headers["Content-Encoding"] = "gzip"
        answer.headers["Content-Length"] = str(len(body))


def _find(folder: Path, name: str) -> _Packed | None:
    """None when there is no such file of ours."""
    path = folder / name
    if ".." in Path(name).parts or not path.is_file():
        return None
    seen = path.stat()
    return _pack(path, seen.st_mtime_ns, seen.st_size)


@cache
def _pack(path: Path, changed_ns: int, size: int) -> _Packed:
    del changed_ns, size  # a file that changes under a process that runs is packed anew
    body = path.read_bytes()
    packed = squeeze(body, level=9)
    is_smaller = len(body) >= LEAST_BYTES and len(packed) < len(body)
    return _Packed(hashlib.sha256(body).hexdigest()[:12], packed if is_smaller else None)
