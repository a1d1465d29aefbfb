"""What every route of the API shares: the prefix, the key it takes, the errors it may answer with."""

from http import HTTPStatus
from typing import Any

from flask_openapi3.models.tag import Tag
from pydantic import BaseModel

from console.api.late_description import LateBlueprint
from console.api.scopes import SCOPES

PREFIX = "/api/v1"
# Both are public: they say nothing about anybody.
DOCUMENT = f"{PREFIX}/openapi.json"
DOCS = f"{PREFIX}/docs"
SECURITY: list[dict[str, list[Any]]] = [{"api_key": []}]
SECURITY_SCHEMES: dict[str, Any] = {
    "api_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key made with earshot apikey create, or by an administrator. Each operation names the scope that a narrowed "
        "key needs; a key without scopes may do all that its role allows. Scopes: "
        + " ".join(f"{name}: {does}" for name, does in SCOPES.items()),
    }
}


class ProblemAnswer(BaseModel):
    """An error (RFC 9457). code: stable, for programs. field: the part of the request that is wrong. fix: what to do."""

    type: str
    title: str
    status: int
    code: str
    fix: str
    field: str | None = None


PROBLEMS: dict[str | int | HTTPStatus, Any] = {
    status: {
        "description": description,
        "content": {"application/problem+json": {"schema": ProblemAnswer.model_json_schema()}},
    }
    for status, description in (
        ("401", "no key, or one that is unknown or revoked"),
        ("403", "the role may not do this, or not to somebody else's conversation"),
        ("404", "the tenant has no such thing"),
        ("409", "somebody was faster; the answer says who and when"),
        ("413", "the body is over 64 KiB"),
        ("415", "the body is not application/json"),
        ("422", "a field is wrong; the answer names it and the fix"),
        ("429", "too many calls of this key, or with keys that are none; Retry-After says how many seconds to wait"),
        ("503", "try again"),
    )
}


def new_blueprint(
    name: str, import_name: str, *, under: str = "", answers: type[BaseModel] | None = None
) -> LateBlueprint:
    """The routes of one resource. under: what their paths begin with after the prefix. answers: what all of them answer with."""
    return LateBlueprint(
        name,
        import_name,
        url_prefix=PREFIX + under,
        abp_tags=[Tag(name=name.replace("_", " "))],
        abp_security=SECURITY,
        abp_responses={**({"200": answers} if answers else {}), **PROBLEMS},
    )
