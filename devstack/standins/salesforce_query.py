"""SOQL and SOSL as far as integrations use them: one object, parent fields, AND and OR, and search in telephone fields."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from devstack.standins.salesforce_errors import Refused
from devstack.standins.salesforce_fields import STANDARD, Field
from devstack.standins.salesforce_org import Org, Record

_TOKEN = re.compile(r"\s*('(?:[^'\\]|\\.)*'|[A-Za-z_][\w.]*|-?\d+(?:\.\d+)?|<=|>=|!=|<>|[=<>(),])")
_PARENTS = {
    ("Contact", "account"): "AccountId",
    ("Contact", "owner"): "OwnerId",
    ("Task", "who"): "WhoId",
    ("Task", "owner"): "OwnerId",
    ("PermissionSetAssignment", "permissionset"): "PermissionSetId",
}
_FIND = re.compile(
    r"FIND\s*\{(?P<terms>.*)\}\s*IN\s+(?P<group>ALL|PHONE|EMAIL|NAME)\s+FIELDS\s+"
    r"RETURNING\s+(?P<kind>\w+)\s*\((?P<fields>[^)]*)\)(?:\s+LIMIT\s+(?P<limit>\d+))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_GROUPS = {
    "PHONE": ("Phone", "MobilePhone", "HomePhone", "OtherPhone"),
    "EMAIL": ("Email",),
    "NAME": ("Name",),
    "ALL": ("Phone", "MobilePhone", "HomePhone", "OtherPhone", "Email", "Name"),
}
_RESERVED = re.compile(r"(?<!\\)[&|!(){}\[\]^\"~?:'+-]")
MAX_FOUND = 2_000

Condition = Callable[[Record], bool]


@dataclass(frozen=True)
class Query:
    """A parsed SELECT. fields: paths as they were written; empty for COUNT()."""

    kind: str
    fields: tuple[str, ...]
    condition: Condition
    limit: int | None


def malformed(message: str) -> Refused:
    """A query that is none."""
    return Refused("MALFORMED_QUERY", message)


class _Parser:
    """Recursive descent over the tokens of one query."""

    def __init__(self, org: Org, text: str) -> None:
        self._org = org
        self._tokens = _tokens(text)
        self._kind = ""

    def parse(self) -> Query:
        self._expect("select")
        fields = [self._next()]
        if fields[0].lower() == "count":
            self._expect("(")
            self._expect(")")
            fields = []
        while self._accept(","):
            fields.append(self._next())
        self._expect("from")
        self._kind = _known_kind(self._next())
        for path in fields:
            resolve(self._org, self._kind, path)
        condition: Condition = self._any_of() if self._accept("where") else lambda _: True
        if self._accept("order"):
            self._expect("by")
            resolve(self._org, self._kind, self._next())
        limit = int(self._next()) if self._accept("limit") else None
        if self._tokens:
            raise malformed(f"unexpected token: '{self._tokens[0]}'")
        return Query(self._kind, tuple(fields), condition, limit)

    def _any_of(self) -> Condition:
        parts = [self._all_of()]
        while self._accept("or"):
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else lambda record: any(part(record) for part in parts)

    def _all_of(self) -> Condition:
        parts = [self._one()]
        while self._accept("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda record: all(part(record) for part in parts)

    def _one(self) -> Condition:
        if self._accept("("):
            inner = self._any_of()
            self._expect(")")
            return inner
        path = self._next()
        field = resolve(self._org, self._kind, path)
        if field.kind == "textarea":
            raise Refused("INVALID_FIELD", f"field '{field.name}' can not be filtered in a query call")
        operator = self._next().lower()
        if operator == "in":
            self._expect("(")
            values = [self._value(field)]
            while self._accept(","):
                values.append(self._value(field))
            self._expect(")")
            wanted = {_folded(one) for one in values}
            return lambda record: _folded(read(self._org, record, path)) in wanted
        value = self._value(field)
        if operator == "like":
            pattern = re.escape(str(value).lower()).replace("%", ".*").replace("_", ".")
            return lambda record: bool(
                re.fullmatch(pattern, str(read(self._org, record, path) or "").lower(), re.DOTALL)
            )
        if operator == "=":
            return lambda record: _folded(read(self._org, record, path)) == _folded(value)
        if operator in {"!=", "<>"}:
            return lambda record: _folded(read(self._org, record, path)) != _folded(value)
        raise malformed(f"unexpected operator: {operator}")

    def _value(self, field: Field) -> Any:
        token = self._next()
        if token.startswith("'"):
            text = re.sub(r"\\(.)", r"\1", token[1:-1])
            if field.kind in {"id", "reference"} and not re.fullmatch(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?", text):
                raise Refused("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {text}")
            return text
        if token.lower() in {"true", "false", "null"}:
            return {"true": True, "false": False, "null": None}[token.lower()]
        return float(token)

    def _next(self) -> str:
        if not self._tokens:
            raise malformed("unexpected end of query")
        return self._tokens.pop(0)

    def _accept(self, word: str) -> bool:
        if self._tokens and self._tokens[0].lower() == word:
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise malformed(f"expecting {word}")


def select(org: Org, text: str, *, with_deleted: bool) -> tuple[int, list[dict[str, Any]]]:
    """How many records fit, and these as the query shows them, oldest first. Raises: Refused."""
    query = _Parser(org, text).parse()
    fitting = [
        record
        for record in org.records[query.kind].values()
        if (with_deleted or not record.deleted) and query.condition(record)
    ][: query.limit]
    return len(fitting), [show(org, record, query.fields) for record in fitting] if query.fields else []


def search(org: Org, text: str, *, lag_s: float) -> list[dict[str, Any]]:
    """Records in whose indexed fields one of the terms stands. Raises: Refused."""
    match = _FIND.fullmatch(text.strip())
    if match is None:
        raise Refused("MALFORMED_SEARCH", "expecting FIND {…} IN … FIELDS RETURNING …")
    terms = [one.strip() for one in re.split(r"\s+OR\s+", match["terms"])]
    if any(_RESERVED.search(one.strip('"')) or len(one.strip('"')) < 2 for one in terms):
        raise Refused("MALFORMED_SEARCH", "search term must be longer than one character and have no reserved ones")
    kind = _known_kind(match["kind"])
    fields = tuple(one.strip() for one in match["fields"].split(","))
    for path in fields:
        resolve(org, kind, path)
    group = _GROUPS[match["group"].upper()]
    words = [re.sub(r"\\(.)", r"\1", one.strip('"')).lower() for one in terms]
    found = [
        record
        for record in org.records[kind].values()
        if not record.deleted
        and any(_is_found(word, name, seen) for name, seen in record.searched(lag_s).items() if name in group
                for word in words)
    ]  # fmt: skip
    return [show(org, record, fields) for record in found[: int(match["limit"] or MAX_FOUND)]]


def _is_found(word: str, name: str, seen: str) -> bool:
    """Numbers are indexed without punctuation: the whole of it, and its last ten digits."""
    if name not in _GROUPS["PHONE"]:
        return word in re.split(r"[\s@.,-]+", seen.lower()) or word == seen.lower()
    digits, wanted = re.sub(r"\D", "", seen), re.sub(r"\D", "", word)
    if word.endswith("*"):
        return digits.startswith(wanted)
    return bool(wanted) and wanted in {digits, digits[-10:]}


def resolve(org: Org, kind: str, path: str) -> Field:
    """The field that a path such as "Account.Rating" names. Raises: Refused."""
    while "." in path:
        head, _, path = path.partition(".")
        key = _PARENTS.get((kind, head.lower()))
        if key is None:
            message = f"Didn't understand relationship '{head}' in field path."
            raise Refused("INVALID_FIELD", message)
        kind = _target(kind, key)
    field = org.find_field(kind, path)
    if field is None:
        message = f"\nSELECT {path} FROM {kind}\n       ^\nERROR at Row:1:Column:8\nNo such column '{path}' on entity '{kind}'."
        raise Refused("INVALID_FIELD", message)
    return field


def read(org: Org, record: Record | None, path: str) -> Any:
    """The value at a path; None where there is no parent."""
    while "." in path and record is not None:
        head, _, path = path.partition(".")
        key = _PARENTS[record.kind, head.lower()]
        record = org.records[_target(record.kind, key)].get(record.values.get(key) or "")
    if record is None:
        return None
    field = org.find_field(record.kind, path)
    return record.values.get(field.name) if field else None


def show(org: Org, record: Record, paths: tuple[str, ...]) -> dict[str, Any]:
    """A record as a query shows it: parents are objects within it, or null."""
    shown = attributes_of(record)
    for path in paths:
        head, _, rest = path.partition(".")
        if not rest:
            shown[resolve(org, record.kind, path).name] = read(org, record, path)
            continue
        key = _PARENTS[record.kind, head.lower()]
        head = key.removesuffix("Id")
        parent = org.records[_target(record.kind, key)].get(record.values.get(key) or "")
        inner = show(org, parent, (rest,)) if parent else None
        shown[head] = {**(shown.get(head) or {}), **inner} if inner else None
    return shown


def attributes_of(record: Record) -> dict[str, Any]:
    """What every record in an answer begins with."""
    url = f"/services/data/v64.0/sobjects/{record.kind}/{record.id}"
    return {"attributes": {"type": record.kind, "url": url}}


def _target(kind: str, key: str) -> str:
    return next(one.targets[0] for one in STANDARD[kind] if one.name == key)


def _known_kind(name: str) -> str:
    kind = next((one for one in STANDARD if one.lower() == name.lower()), None)
    if kind is None:
        raise Refused("INVALID_TYPE", f"sObject type '{name}' is not supported.")
    return kind


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    position, text = 0, text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise malformed(f"unexpected token at {position}")
        tokens.append(match[1])
        position = match.end()
    return tokens


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value
