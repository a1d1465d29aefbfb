"""One HTTP request and one answer, as every stand-in sees them."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode

SECRET_HEADERS = ("authorization", "x-api-key", "x-api-token", "cookie")
REDACTED = "[redacted]"

StartResponse = Callable[..., Any]


@dataclass(frozen=True)
class Request:
    """One request, decoded. headers: names in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The decoded body; None when it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def json_object(self) -> dict[str, Any]:
        """The decoded body; empty when it is no JSON object."""
        decoded = self.json()
        return decoded if isinstance(decoded, dict) else {}

    @property
    def bearer(self) -> str:
        """The token, empty when there is none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    def without_secrets(self) -> dict[str, Any]:
        """What may be shown of it: everything but credentials."""
        query = {name: REDACTED if _is_secret(name) else value for name, value in self.query.items()}
        return {
            "method": self.method,
            "path": self.path + ("?" + urlencode(query, safe="[],:") if query else ""),
            "headers": {name: REDACTED if name in SECRET_HEADERS else value for name, value in self.headers.items()},
            "body": self._body_without_secrets(),
        }

    def _body_without_secrets(self) -> str:
        """A form is how access tokens are asked for, with the secrets in it."""
        text = self.body.decode(errors="replace")
        if not self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return text
        form = parse_qsl(text, keep_blank_values=True)
        return urlencode([(name, REDACTED if _is_secret(name) else value) for name, value in form], safe="[]:")


@dataclass(frozen=True)
class Answer:
    """What goes back. body: anything JSON, or text; None sends nothing."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])


def read_request(environ: dict[str, Any]) -> Request:
    """The request of a WSGI environment."""
    length = environ.get("CONTENT_LENGTH")
    body = environ["wsgi.input"].read(int(length)) if length else environ["wsgi.input"].read()
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    return Request(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), query, headers, body)


def write_answer(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    """Start the response; returns its body."""
    content_type = "text/plain; charset=utf-8" if isinstance(answer.body, str) else "application/json"
    payload = _payload(answer.body)
    headers = {"content-type": content_type, **{name.lower(): value for name, value in answer.headers.items()}}
    headers["content-length"] = str(len(payload))
    start_response(f"{answer.status} {_reason(answer.status)}", list(headers.items()))
    return [payload]


def _payload(body: Any) -> bytes:
    if body is None:
        return b""
    return (body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)).encode(errors="replace")


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded"  # 529, which only Anthropic knows


def _is_secret(name: str) -> bool:
    return "token" in name or "secret" in name or name in {"assertion", "code"}
