"""Zoho's two ways to ask: criteria search, whose index lags, and COQL, which reads what is there."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from devstack.standins.zoho_errors import Refused, invalid_query, missing_parameter
from devstack.standins.zoho_org import Org, Record

MAX_PER_PAGE, MAX_SEARCH_CRITERIA = 200, 10
MAX_COQL_CRITERIA, MAX_COQL_VALUES, MAX_COQL_LIMIT = 25, 100, 2000
_PHONES = ("Phone", "Mobile", "Home_Phone", "Other_Phone", "Asst_Phone")
_EMAILS = ("Email", "Secondary_Email")
_CRITERION = re.compile(r"\((\w+):(equals|in|starts_with):((?:\\.|[^()\\])*)\)")
_QUERY = re.compile(
    r"select\s+(?P<columns>.+?)\s+from\s+(?P<module>\w+)(?:\s+where\s+(?P<where>.+?))?"
    r"(?:\s+limit\s+(?P<limit>\d+)(?:\s+offset\s+(?P<offset>\d+))?)?\s*",
    re.IGNORECASE | re.DOTALL,
)
_TOKEN = re.compile(r"\s*(?:('(?:\\.|[^'\\])*')|([(),])|(>=|<=|!=|=|<|>)|([\w.]+))")
_SYSTEM = {"id", "Created_Time", "Modified_Time"}
Test = Callable[[Record], bool]


def search(org: Org, module: str, query: dict[str, str], *, lag_s: float) -> dict[str, Any] | None:
    """A page of what the index knows; None when there is nothing. Raises: Refused."""
    fits = _search_test(org, module, query)
    hits = [
        record
        for record in org.records[module].values()
        if (known := record.indexed(lag_s=lag_s)) is not None and fits(known)
    ]
    return page(hits, query)


def page(records: list[Record], query: dict[str, str]) -> dict[str, Any] | None:
    """One page of records with its info; None when it is empty."""
    number, size = int(query.get("page", "1")), int(query.get("per_page", str(MAX_PER_PAGE)))
    if not 0 < size <= MAX_PER_PAGE:
        raise Refused(400, "INVALID_DATA", "invalid data", param_name="per_page")
    start = (number - 1) * size
    chosen = records[start : start + size]
    if not chosen:
        return None
    names = [name for name in query.get("fields", "").split(",") if name] or None
    info = {
        "per_page": size,
        "count": len(chosen),
        "page": number,
        "more_records": start + size < len(records),
    }
    return {"data": [record.shown(names) for record in chosen], "info": info}


def _search_test(org: Org, module: str, query: dict[str, str]) -> Callable[[dict[str, Any]], bool]:
    if criteria := query.get("criteria"):
        return _criteria_test(org, module, criteria)
    if email := query.get("email"):
        return lambda values: any(str(values.get(name) or "").lower() == email.lower() for name in _EMAILS)
    if phone := query.get("phone"):
        digits = re.sub(r"\D", "", phone)
        return lambda values: any(
            re.sub(r"\D", "", str(values.get(name) or "")).endswith(digits) for name in _PHONES if values.get(name)
        )
    raise missing_parameter("criteria")


def _criteria_test(org: Org, module: str, criteria: str) -> Callable[[dict[str, Any]], bool]:
    """Criteria joined by "or", or by "and"; brackets and commas in a value are escaped."""
    found = list(_CRITERION.finditer(criteria))
    rest = _CRITERION.sub("", criteria).lower()
    words = set(re.findall(r"[a-z]+", rest))
    if not found or len(words) > 1 or words - {"and", "or"} or re.sub(r"[\sa-z()]", "", rest):
        raise invalid_query("criteria")
    if len(found) > MAX_SEARCH_CRITERIA:
        raise invalid_query("criteria", limit=MAX_SEARCH_CRITERIA)
    tests: list[tuple[str, str, list[str]]] = []
    for one in found:
        name, operator, written = one.groups()
        if name not in org.fields[module].known:
            raise invalid_query("column given seems to be invalid", column_name=name)
        values = re.split(r"(?<!\\),", written) if operator == "in" else [written]
        tests.append((name, operator, [re.sub(r"\\(.)", r"\1", value).strip().lower() for value in values]))

    def fits(values: dict[str, Any]) -> bool:
        results = [_criterion_fits(str(values.get(name) or "").lower(), *more) for name, *more in tests]
        return all(results) if "and" in words else any(results)

    return fits


def _criterion_fits(stored: str, operator: Any, wanted: Any) -> bool:
    if operator == "starts_with":
        return bool(stored) and stored.startswith(wanted[0])
    return stored in wanted


@dataclass
class _Where:
    """A condition being read. Brackets hold at most two conditions, as Zoho wants it."""

    org: Org
    module: str
    tokens: list[str]
    criteria: int = 0

    def read(self) -> Test:
        first = self._one()
        if self._next() is None or self._next() == ")":
            return first
        word = self._take().lower()
        if word not in {"and", "or"}:
            raise _syntax(word)
        second = self._one()
        if self._next() not in {None, ")"}:
            raise _syntax(self._next() or "")
        if word == "and":
            return lambda record: first(record) and second(record)
        return lambda record: first(record) or second(record)

    def _one(self) -> Test:
        if self._next() == "(":
            self._take()
            inner = self.read()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Test:
        self.criteria += 1
        name = self._take()
        read = column(self.org, self.module, name)
        if name in self.org.fields[self.module].known and self._type(name) == "textarea":
            raise invalid_query("data type not supported", column_name=name)
        operator = self._take().lower()
        if operator == "is":
            negated = self._next() == "not"
            if negated:
                self._take()
            self._expect("null")
            return lambda record: (_text(read(record)) == "") != negated
        if operator == "in":
            return self._in(read)
        wanted = _unquoted(self._take()).lower()
        if operator == "=":
            return lambda record: _text(read(record)).lower() == wanted
        if operator == "like":
            pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("%")), re.DOTALL)
            return lambda record: bool(pattern.fullmatch(_text(read(record)).lower()))
        raise _syntax(operator)

    def _in(self, read: Callable[[Record], Any]) -> Test:
        self._expect("(")
        values: set[str] = set()
        while True:
            values.add(_unquoted(self._take()).lower())
            if self._take() == ")":
                break
        if len(values) > MAX_COQL_VALUES:
            raise Refused(400, "LIMIT_EXCEEDED", "limit exceeded", limit=MAX_COQL_VALUES)
        return lambda record: _text(read(record)).lower() in values

    def _type(self, name: str) -> str:
        return self.org.fields[self.module].known[name]["data_type"]

    def _next(self) -> str | None:
        return self.tokens[0] if self.tokens else None

    def _take(self) -> str:
        if not self.tokens:
            raise _syntax("")
        return self.tokens.pop(0)

    def _expect(self, token: str) -> None:
        if (taken := self._take()).lower() != token:
            raise _syntax(taken)


def run_coql(org: Org, text: Any) -> dict[str, Any] | None:
    """The answer to one query, oldest record first; None when nothing fits. Raises: Refused."""
    match = _QUERY.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise _syntax(str(text)[:20])
    module, where = match["module"], match["where"]
    if module not in org.records:
        raise Refused(400, "INVALID_QUERY", "invalid query formed", module=module)
    if where is None:
        raise Refused(400, "SYNTAX_ERROR", "missing clause", clause="where")
    columns = {name.strip(): column(org, module, name.strip()) for name in match["columns"].split(",")}
    condition = _Where(org, module, _tokens(where))
    fits = condition.read()
    if condition.tokens:
        raise _syntax(condition.tokens[0])
    if condition.criteria > MAX_COQL_CRITERIA:
        raise Refused(400, "LIMIT_EXCEEDED", "limit exceeded", limit=MAX_COQL_CRITERIA)
    limit, offset = coql_limit(text), int(match["offset"] or 0)
    if limit > MAX_COQL_LIMIT:
        raise Refused(400, "LIMIT_EXCEEDED", "limit exceeded", limit=MAX_COQL_LIMIT)
    hits = [record for record in org.records[module].values() if fits(record)]
    chosen = hits[offset : offset + limit]
    if not chosen:
        return None
    data = [{"id": record.id} | {name: read(record) for name, read in columns.items()} for record in chosen]
    return {"data": data, "info": {"count": len(data), "more_records": offset + limit < len(hits)}}


def coql_limit(text: Any) -> int:
    """How many records a query asks for at most; a query that names none asks for 200."""
    match = re.search(r"\slimit\s+(\d+)", text, re.IGNORECASE) if isinstance(text, str) else None
    return int(match[1]) if match else MAX_PER_PAGE


def column(org: Org, module: str, name: str) -> Callable[[Record], Any]:
    """What reads a column; a dotted one reads the record that a lookup points at. Raises: Refused."""
    head, _, tail = name.partition(".")
    known = org.fields[module].known
    if not tail and (head in known or head in _SYSTEM):
        return lambda record: record.shown([head])[head]
    if tail and known.get(head, {}).get("data_type") == "lookup":
        other_module = known[head]["lookup"]["module"]["api_name"]
        if tail in org.fields[other_module].known or tail in _SYSTEM:
            return lambda record: _joined(org, other_module, record.values.get(head), tail)
    raise Refused(400, "INVALID_QUERY", "column given seems to be invalid", column_name=name, module=module)


def _joined(org: Org, module: str, value: Any, name: str) -> Any:
    other = org.records[module].get((value or {}).get("id", ""))
    return other.shown([name])[name] if other else None


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _syntax(text[position : position + 10])
        tokens.append(next(one for one in match.groups() if one is not None))
        position = match.end()
    return tokens


def _unquoted(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1]) if token.startswith("'") else token


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("id", ""))
    return "" if value is None else str(value)


def _syntax(near: str) -> Refused:
    return Refused(400, "SYNTAX_ERROR", "invalid query formed", near=near, line=1, column=1)
