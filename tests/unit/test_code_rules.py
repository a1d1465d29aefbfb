"""Rules of the house that no linter knows, read from the code itself. Each rule also finds a planted fault."""

import ast
import re
from collections.abc import Iterator
from functools import cache

from tests.product_code import PRODUCT, ROOT

# The only modules that ask another machine over HTTP, and to whom: the table in docs/security.md says why each is safe.
SPEAKS_HTTP = {
    "analysis/claude.py": "the operator's Claude",
    "channels/graph.py": "the operator's Graph API",
    "channels/guarded_http.py": "whatever address a tenant chose, under guard",
    "channels/send_guard.py": "puts the guard under apprise",
    "channels/alert_services.py": "apprise, under send_guard",
    "cli/tenant.py": "the stand-in on this machine",
    "config/error_reports.py": "the operator's Sentry",
    "config/span_export.py": "the operator's trace collector",
    "console/oidc.py": "the operator's OpenID provider",
    "crm_sync/client.py": "a CRM vendor's own hosts",
    "crm_sync/oauth.py": "a CRM vendor's own hosts",
    "worker/own_receiver.py": "the operator's receiver",
}
HTTP_LIBRARIES = {
    "aiohttp", "apprise", "authlib", "ftplib", "gevent.socket", "http.client", "httpcore", "httpcore2", "httpx", "httpx2", "opentelemetry.exporter",
    "pycurl", "requests", "sentry_sdk",
    "smtplib", "socket", "telnetlib", "urllib.request", "urllib3", "websocket", "websockets", "xmlrpc",
}  # fmt: skip
# Not to speak to anybody: `socket` for an option of a connection that came in, `http` for names of statuses.
SPEAKS_TO_NOBODY = {"console/pages/live.py"}
# Compared with two equal signs, and nothing a stranger could guess bit by bit: our token with ours, what a person has typed twice,
# words of an answer, our own lease.
NO_SECRETS = ("console/forged_forms.py", "console/passwords.py", "routing/survey_answers.py", "store/runs.py")
SECRET_NAME = re.compile(r"(^|_)(signature|token|digest|hmac|mac|secret|password|api_key|csrf|nonce)(s|_hash)?$")
IDS_ONLY = re.compile(r"^(\w+_id|kind|name|number|lane|day|ids|\w+_ids)$")
# Our own keys that a stranger cannot choose, of rows that belong to one tenant: a conflict on one of them is a conflict with oneself.
OWN_KEYS = {
    "alert_id", "channel_account_id", "conversation_id", "customer_id", "message_id", "provider_id", "user_id",
}  # fmt: skip
# What belongs to the whole installation.
OF_ALL = {
    "app_user": {"email"},
    "tenant": {"slug"},
    "installation_secret": {"name"},
    "prompt_registry": {"prompt_hash"},
}


@cache
def trees() -> dict[str, ast.Module]:
    """Every module of the product by path."""
    files = (file for folder in PRODUCT for file in sorted((ROOT / folder).rglob("*.py")))
    return {str(file.relative_to(ROOT)): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def wrong(rule) -> list[str]:
    """path:line of each place that breaks a rule."""
    return [f"{path}:{node.lineno}" for path, tree in trees().items() for node in rule(tree)]


def found(rule, code: str) -> int:
    """How many places of planted code break it."""
    return len(list(rule(ast.parse(code))))


def last_name(node: ast.AST) -> str:
    """`token` of `self.token`, of `token` and of `row["token"]`."""
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name) | ast.Subscript(slice=ast.Constant(value=str() as name)):
            return name
        case ast.Call(func=function):
            return last_name(function)
    return ""


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree))


@cache
def calls(tree: ast.AST) -> tuple[ast.Call, ...]:
    return tuple(node for node in nodes(tree) if isinstance(node, ast.Call))


# Secrets are compared in constant time


def secrets_compared_by_equality(tree: ast.AST) -> Iterator[ast.AST]:
    for node in nodes(tree):
        if isinstance(node, ast.Compare) and any(isinstance(one, ast.Eq | ast.NotEq) for one in node.ops):
            sides = [node.left, *node.comparators]
            # With a constant there is nothing to find out: "is it empty", "is it the word none".
            if any(isinstance(one, ast.Constant) for one in sides):
                continue
            if any(
                SECRET_NAME.search(last_name(one).lower()) or last_name(one) in {"hexdigest", "digest"} for one in sides
            ):
                yield node


def test_no_secret_is_compared_with_two_equal_signs():
    assert found(secrets_compared_by_equality, "if signature == expected: ...") == 1
    assert found(secrets_compared_by_equality, "x = hmac.new(k, b, d).hexdigest() != given") == 1
    assert found(secrets_compared_by_equality, "if self.verify_token == given: ...") == 1
    assert found(secrets_compared_by_equality, "if token == '': ...") == 0
    assert {one.partition(":")[0] for one in wrong(secrets_compared_by_equality)} == set(NO_SECRETS)


# SQL is text, never put together from values

EXECUTING = {"execute", "executemany", "stream", "copy"}


def built_statements(tree: ast.AST) -> Iterator[ast.AST]:
    for call in calls(tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr in EXECUTING and call.args:
            given = call.args[0]
            is_format = isinstance(given, ast.Call) and last_name(given) == "format" and not _is_sql_module(given)
            if (
                isinstance(given, ast.JoinedStr)
                or (isinstance(given, ast.BinOp) and isinstance(given.op, ast.Mod))
                or is_format
            ):
                yield call


def _is_sql_module(call: ast.Call) -> bool:
    """psycopg.sql quotes what it is given."""
    inner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return isinstance(inner, ast.Call) and last_name(inner) == "SQL"


def test_no_statement_is_put_together_from_values():
    assert found(built_statements, "conn.execute(f'SELECT {x}')") == 1
    assert found(built_statements, "conn.execute('SELECT %s' % x)") == 1
    assert found(built_statements, "conn.execute('SELECT {}'.format(x))") == 1
    assert found(built_statements, "conn.execute(sql.SQL('ALTER ROLE {}').format(sql.Identifier(x)))") == 0
    assert found(built_statements, "conn.execute('SELECT %s', (x,))") == 0
    assert wrong(built_statements) == []


# One module a far side, and never without a time limit


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def http_libraries(tree: ast.AST) -> set[str]:
    """Of those that it loads."""
    return {
        name
        for name in imported(tree)
        for library in HTTP_LIBRARIES
        if name == library or name.startswith(f"{library}.")
    }


def test_no_other_module_speaks_http():
    assert http_libraries(ast.parse("def f():\n    from urllib.request import urlopen")) >= {"urllib.request"}
    assert http_libraries(ast.parse("import httpx2 as h")) == {"httpx2"}
    speakers = {path for path, tree in trees().items() if http_libraries(tree)} - SPEAKS_TO_NOBODY
    assert speakers == set(SPEAKS_HTTP)


CLIENTS = {"Client", "HTTPTransport", "OAuth2Session", "urlopen"}
METHODS = {"get", "post", "put", "patch", "delete", "head", "request", "stream"}
TIME_LIMITS = {"timeout", "default_timeout"}


def calls_without_time_limit(tree: ast.AST) -> Iterator[ast.AST]:
    for call in calls(tree) if http_libraries(tree) or len(nodes(tree)) < 50 else ():
        name, of = last_name(call.func), last_name(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        is_module = of in {"httpx2", "requests"} and name in METHODS | {"Client"}
        if (is_module or name in CLIENTS - {"HTTPTransport", "Client"}) and not TIME_LIMITS & {
            one.arg for one in call.keywords
        }:
            yield call


def environment_trusted(tree: ast.AST) -> Iterator[ast.AST]:
    """A client that takes proxies from the environment would let a variable lead requests elsewhere."""
    for call in calls(tree):
        of = last_name(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        if of == "httpx2" and last_name(call.func) in METHODS | {"Client", "HTTPTransport"}:
            given = {one.arg: one.value for one in call.keywords}
            if not (isinstance(given.get("trust_env"), ast.Constant) and given["trust_env"].value is False):
                yield call


def test_no_call_waits_for_ever_or_goes_by_a_proxy_of_the_environment():
    assert found(calls_without_time_limit, "httpx2.get(url)") == 1
    assert found(calls_without_time_limit, "urllib.request.urlopen(url)") == 1
    assert found(calls_without_time_limit, "requests.post(url, timeout=3)") == 0
    assert found(environment_trusted, "httpx2.Client(timeout=3)") == 1
    assert found(environment_trusted, "httpx2.Client(timeout=3, trust_env=True)") == 1
    assert wrong(calls_without_time_limit) == []
    assert wrong(environment_trusted) == []


# The broker carries ids


def tasks_with_more_than_ids(tree: ast.AST) -> Iterator[ast.AST]:
    for call in calls(tree):
        name = last_name(call.func)
        if name in {
            "delay",
            "send_task",
        }:  # by keyword, with the queue named: app.signature(name, kwargs={...}, queue=...)
            yield call
        if name == "signature":
            for one in call.keywords:
                if one.arg == "kwargs" and isinstance(one.value, ast.Dict):
                    for key, value in zip(one.value.keys, one.value.values, strict=True):
                        is_id = isinstance(key, ast.Constant) and IDS_ONLY.fullmatch(str(key.value))
                        # Said to be true or false by their type: a dict[str, bool].
                        are_flags = key is None and isinstance(value, ast.Name) and value.id == "flags"
                        # Hexadecimal digits by its form: config/tracing.py.
                        is_trace = key is None and isinstance(value, ast.Call) and last_name(value) == "carried_trace"
                        if not (is_id or are_flags or is_trace):
                            yield call
                if one.arg == "args":
                    yield call
        if name == "apply_async" and (call.args or {"args", "kwargs"} & {one.arg for one in call.keywords}):
            yield call


def test_nothing_but_ids_is_handed_to_the_broker():
    assert found(tasks_with_more_than_ids, "task.delay(text)") == 1
    assert found(tasks_with_more_than_ids, "task.apply_async(args=(message.text,))") == 1
    assert found(tasks_with_more_than_ids, "app.signature(n, kwargs={'text': t}, queue=q)") == 1
    assert found(tasks_with_more_than_ids, "app.signature(n, kwargs={'tenant_id': t, **words}, queue=q)") == 1
    assert found(tasks_with_more_than_ids, "app.signature(n, kwargs={'tenant_id': t}, queue=q).apply_async()") == 0
    assert wrong(tasks_with_more_than_ids) == []


# Exceptions quote what they were given: their text is no log line


LOGGING = {"debug", "info", "warning", "error", "critical", "exception"}


def logged_exceptions(tree: ast.AST) -> Iterator[ast.AST]:
    caught = {node.name for node in nodes(tree) if isinstance(node, ast.ExceptHandler) and node.name}
    for call in calls(tree):
        if not (
            isinstance(call.func, ast.Attribute)
            and call.func.attr in LOGGING
            and last_name(call.func.value) in {"log", "logger", "logging"}
        ):
            continue
        told = [*call.args, *(one.value for one in call.keywords)]
        raw = [one for one in told if isinstance(one, ast.Name) and one.id in caught]
        raw += [
            inner for one in told for inner in calls(one)
            if last_name(inner.func) in {"str", "repr", "format_exc"} and any(last_name(arg) in caught for arg in inner.args or [ast.Name("")])
        ]  # fmt: skip
        raw += [one for one in told if isinstance(one, ast.JoinedStr)]
        if raw or call.func.attr == "exception" or any(one.arg in {"exc_info", "stack_info"} for one in call.keywords):
            yield call


def test_no_exception_is_logged_with_its_text():
    assert found(logged_exceptions, "try: f()\nexcept E as error: log.error('x', error=str(error))") == 1
    assert found(logged_exceptions, "try: f()\nexcept E as error: log.error('x', error=error)") == 1
    assert found(logged_exceptions, "log.warning('x', exc_info=True)") == 1
    assert found(logged_exceptions, "log.exception('x')") == 1
    assert found(logged_exceptions, "log.info(f'got {x}')") == 1
    assert found(logged_exceptions, "try: f()\nexcept E as error: log.error('x', code=type(error).__name__)") == 0
    assert wrong(logged_exceptions) == []


# Times have zones


def times_without_zone(tree: ast.AST) -> Iterator[ast.AST]:
    for call in calls(tree):
        name = last_name(call.func)
        of = last_name(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        if of == "datetime" and (
            name in {"utcnow", "utcfromtimestamp", "today"}
            or (name == "now" and not call.args and not call.keywords)
            or (name == "fromtimestamp" and len(call.args) < 2 and not call.keywords)
        ):
            yield call


def test_no_time_is_without_its_zone():
    assert found(times_without_zone, "datetime.now()") == 1
    assert found(times_without_zone, "datetime.datetime.utcnow()") == 1
    assert found(times_without_zone, "datetime.fromtimestamp(x)") == 1
    assert found(times_without_zone, "datetime.now(UTC)") == 0
    assert wrong(times_without_zone) == []


# A conflict is with the tenant's own row

CONFLICT = re.compile(r"INSERT INTO (\w+)(?:(?!INSERT INTO).)*?ON CONFLICT \(([^)]*)\)", re.DOTALL)


def conflicts_across_tenants(sql: str) -> list[str]:
    """Conflict targets that a stranger's value could hit in another tenant's rows."""
    wrong = []
    for table, target in CONFLICT.findall(sql):
        columns = {column.strip() for column in target.split(",")}
        if not ("tenant_id" in columns or columns & OWN_KEYS or columns <= OF_ALL.get(table, set())):
            wrong.append(f"{table} ({target})")
    return wrong


def test_no_conflict_is_with_another_tenants_row():
    assert conflicts_across_tenants("INSERT INTO message_key (key) VALUES (1) ON CONFLICT (key) DO NOTHING") != []
    assert (
        conflicts_across_tenants("INSERT INTO t (tenant_id, key) VALUES (1) ON CONFLICT (tenant_id, key) DO NOTHING")
        == []
    )
    found_ = {
        f"{path}: {one}"
        for path in trees()
        if path.startswith("store/")
        for one in conflicts_across_tenants((ROOT / path).read_text(encoding="utf-8"))
    }
    # An account belongs to one tenant in the whole installation, and the statement says whose row it may change.
    assert found_ == {"store/channel_settings.py: channel_account (kind, account_id)"}
    assert "WHERE a.tenant_id = EXCLUDED.tenant_id" in (ROOT / "store/channel_settings.py").read_text(encoding="utf-8")


# Pages escape


def trusted_markup(tree: ast.AST) -> Iterator[ast.AST]:
    """Markup made of anything but a constant or of what was escaped within the same call."""
    for call in calls(tree):
        if last_name(call.func) == "Markup" and call.args:
            given = call.args[0]
            is_safe = isinstance(given, ast.Constant) or (
                isinstance(given, ast.Call) and last_name(given.func) == "escape"
            )
            if not is_safe:
                yield call


def test_no_word_is_put_into_a_page_unescaped():
    assert found(trusted_markup, "Markup(summary)") == 1
    assert found(trusted_markup, "Markup(escape(x))") == 0
    assert wrong(trusted_markup) == []
    for template in sorted((ROOT / "console/templates").rglob("*.html")):
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape\s+false|\|\s*attr\(|hx-on|<[^>{%]*\son[a-z]+=", text), template


# Nothing that runs what it reads


def runs_data(tree: ast.AST) -> Iterator[ast.AST]:
    for call in calls(tree):
        name = last_name(call.func)
        of = last_name(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        if (isinstance(call.func, ast.Name) and name in {"eval", "exec", "compile", "__import__"}) or of in {
            "pickle",
            "marshal",
            "shelve",
        }:
            yield call
        if (of, name) in {("yaml", "load"), ("os", "system"), ("os", "popen")} or any(
            one.arg == "shell" and not (isinstance(one.value, ast.Constant) and one.value.value is False)
            for one in call.keywords
        ):
            yield call


def test_nothing_runs_what_it_reads():
    assert (
        found(runs_data, "eval(x)")
        == found(runs_data, "pickle.loads(x)")
        == found(runs_data, "run(x, shell=True)")
        == 1
    )
    assert found(runs_data, "re.compile(x)") == 0
    assert wrong(runs_data) == []
