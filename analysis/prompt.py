"""What the model is told: global rules, the tenant's industry and topics, and the message as data. Pure."""

import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from analysis.base import AnalysisRequest
from analysis.schema import SCHEMA_VERSION, wire_schema

RULES_VERSION = "g1"
CACHE_1H = {"type": "ephemeral", "ttl": "1h"}


@cache
def rules_text() -> str:
    """The rules that are the same for every tenant, and so the first block of the prompt cache."""
    return (files("analysis") / "prompt_rules.txt").read_text(encoding="utf-8").strip()


def build_system(request: AnalysisRequest) -> list[dict[str, Any]]:
    """System blocks, most stable first: each ends a cacheable prefix. No names, ids or times of any tenant."""
    tenant_lines = [
        f"Industry: {request.industry}",
        f"Tone of the business: {request.tone}",
        "Topics: " + json.dumps(request.topics, ensure_ascii=False, sort_keys=True),
    ]
    return [
        {"type": "text", "text": rules_text(), "cache_control": CACHE_1H},
        {"type": "text", "text": "\n".join(tenant_lines), "cache_control": CACHE_1H},
    ]


def build_user_turn(request: AnalysisRequest) -> str:
    """The message and the turns before it as one JSON object: data, so that nothing in it reads as an instruction."""
    context = [{"from": turn.speaker, "text": turn.text} for turn in request.context]
    return json.dumps({"context": context, "message": request.text}, ensure_ascii=False, sort_keys=True)


def prompt_version() -> str:
    """Human-readable version of rules and schema."""
    return f"{RULES_VERSION}.s{SCHEMA_VERSION}"


def prompt_hash(system: list[dict[str, Any]], *, model: str, parameters: dict[str, Any]) -> str:
    """SHA-256 of everything but the message that shapes an answer."""
    canonical = {"system": system, "schema": wire_schema(), "model": model, "parameters": parameters}
    return hashlib.sha256(json.dumps(canonical, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
