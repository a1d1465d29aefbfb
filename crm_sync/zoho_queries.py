"""COQL, Zoho's query language. Unlike search it reads what is there at this moment."""

from collections.abc import Sequence
from typing import Any

from crm_sync.client import CrmClient
from crm_sync.zoho_answers import rows
from crm_sync.zoho_fields import API

MAX_VALUES = 100
MAX_CRITERIA = 25
_LIMIT = 200


def ask(client: CrmClient, columns: Sequence[str], module: str, where: str) -> list[dict[str, Any]]:
    """At most 200 records, each with its id and the columns. Raises: CrmError "field_missing:<column>"."""
    query = f"select {', '.join(dict.fromkeys(['id', *columns]))} from {module} where {where} limit {_LIMIT}"  # noqa: S608 -- Zoho takes no parameters; values are quoted
    return rows(client.post(f"{API}/coql", {"select_query": query}, idempotent=True))


def one_of(column: str, values: Sequence[str]) -> str:
    """The condition that a column has one of at most MAX_VALUES values."""
    return f"{column} in ({', '.join(quoted(one) for one in values)})"


def containing_one_of(column: str, parts: Sequence[str]) -> str:
    """The condition that a column contains one of at most MAX_CRITERIA texts. Zoho wants two conditions to a bracket."""
    conditions = [f"{column} like {quoted(f'%{one}%')}" for one in parts]
    joined = conditions[0]
    for condition in conditions[1:]:
        joined = f"({joined} or {condition})"
    return joined


def quoted(value: str) -> str:
    """A text as COQL writes it."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
