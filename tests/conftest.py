"""Real servers for all tests: one Postgres and one Valkey a session, a database cloned from a template for each test."""

import functools
import gc
import http.client
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpcore2
import jinja2
import psycopg
import pytest
from flask import Flask
from werkzeug.routing import Rule
from xdist.scheduler import LoadScopeScheduling

from config.settings import Settings, load_settings
from config.tenant_file import parse_tenant_file
from devstack.providers import STANDIN_OF
from store.db import Database
from store.migrate import app_database_url, migrate
from store.secrets import Keyring
from store.tenants import apply_tenant
from tests import effort
from tests.rabbitmq import RabbitMq, need_rabbitmq
from tests.servers import PASSWORD

effort.load()


class _ByPlace(LoadScopeScheduling):
    """Tests of one file run in one process, and all browser tests in one: they share a stack and a browser."""

    def _split_scope(self, nodeid):
        path = nodeid.partition("::")[0]
        return "browser" if "/browser/" in path else path


@pytest.hookimpl(wrapper=True)
def pytest_collection(session):
    """Modules and collected tests are a million objects that stay: the garbage collector would go through all of them every now and
    then, which takes most of a second each time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """xdist's own groups know nothing of the ids of pytest 9.2."""
    config.option.loadscopereorder = False  # stays in the order of testpaths
    return _ByPlace(config, log)


def pytest_collection_modifyitems(config, items):
    """Of a test that is marked `in_turns` one variant stays, always the same one, and another one for the next test."""
    if effort.IS_FULL or config.option.keyword or any("[" in one for one in config.args):
        return
    variants: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("in_turns"):
            variants.setdefault(item.nodeid.partition("[")[0], []).append(item)
    chosen = {name: some[zlib.crc32(name.encode()) % len(some)] for name, some in variants.items()}
    dropped = {id(item) for name, some in variants.items() for item in some if item is not chosen[name]}
    if dropped:
        config.hook.pytest_deselected(items=[item for item in items if id(item) in dropped])
        items[:] = [item for item in items if id(item) not in dropped]


TEST_KEY = "k1:" + "QUFB" * 10 + "QUE="
ROOT = Path(__file__).parent.parent
_numbers = itertools.count(1)
ROOM_IN_MEMORY = 4 * 2**30
TEMPLATE = "template_earshot"

ACME = """
slug = "acme"
name = "Acme"
industry = "ecommerce"
default_region = "TR"
[[channels]]
kind = "whatsapp"
account_id = "111000111"
app_secret = "acme-secret"
verify_token = "acme-verify"
access_token = "acme-token"
[[channels]]
kind = "instagram"
account_id = "17841400000000111"
app_secret = "acme-secret"
verify_token = "acme-verify"
access_token = "acme-token"
login = "instagram"
[actions.send_refund_form]
enabled = true
url = "https://acme.example/refund"
[actions.close_with_thanks]
enabled = true
[actions.send_nps_invite]
enabled = true
[crm]
kind = "hubspot"
token = "acme-hubspot"
create_contacts = true
"""
OTHER = """
slug = "other"
name = "Other"
industry = "hospitality"
default_region = "DE"
[[channels]]
kind = "whatsapp"
account_id = "222000222"
app_secret = "other-secret"
verify_token = "other-verify"
access_token = "other-token"
"""


def _is_loopback(address) -> bool:
    return not isinstance(address, tuple) or address[0] in {"127.0.0.1", "localhost", "::1"}


@pytest.fixture(autouse=True, scope="session")
def _loopback_only():
    """No test reaches out of this machine."""
    connect = socket.socket.connect

    def guarded(self, address):
        assert _is_loopback(address), f"a test tried to reach {address!r}"
        return connect(self, address)

    socket.socket.connect = guarded
    yield
    socket.socket.connect = connect


@pytest.fixture(autouse=True, scope="session")
def _addresses_compiled_once():
    """Hundreds of tests make a console of some 280 addresses, which takes 0.17 s; nearly all of that is this function of werkzeug's."""
    compile_rule, kept = Rule.compile, {}

    def compile_once(self):
        key = (self.rule, self.merge_slashes, self.subdomain, self.host, repr(self.defaults))
        if key not in kept:
            compile_rule(self)
            kept[key] = (
                self._parts,
                self._trace,
                self._converters,
                frozenset(self._converters),
                self._build,
                self._build_unknown,
            )
            return
        self._parts, self._trace, self._converters, names, build, build_unknown = kept[key]
        self.arguments |= names
        self._build, self._build_unknown = build.__func__.__get__(self), build_unknown.__func__.__get__(self)

    Rule.compile = compile_once
    yield
    Rule.compile = compile_rule


class _KeptTemplates(jinja2.BytecodeCache):
    """Compiled templates by name and source."""

    def __init__(self):
        self._kept = {}

    def load_bytecode(self, bucket):
        bucket.code = self._kept.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket):
        self._kept[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(autouse=True, scope="session")
def _templates_compiled_once():
    """Each of the tests' consoles would compile every page that it shows, 0.1 s a page."""
    options = Flask.jinja_options
    Flask.jinja_options = {**options, "bytecode_cache": _KeptTemplates()}
    yield
    Flask.jinja_options = options


@pytest.fixture(autouse=True, scope="session")
def _authorities_loaded_once():
    """Every client of httpx2 loads the system's certificates, which takes 0.04 s, and tests make thousands; they speak to loopback, without TLS."""
    load = httpcore2.default_ssl_context

    @functools.cache
    def once(_named, **trust):
        return load(**trust)

    def load_each_once(**trust):
        return once((os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")), **trust)

    httpcore2.default_ssl_context = load_each_once
    yield
    httpcore2.default_ssl_context = load


def _quick_folder() -> str:
    """In memory where there is room: a clone of the database is some eight hundred files, and most tests begin with one."""
    memory = "/dev/shm"
    has_room = os.path.isdir(memory) and shutil.disk_usage(memory).free > ROOM_IN_MEMORY
    return memory if has_room else "/tmp"


@pytest.fixture(scope="session")
def servers():
    """Owner URL of Postgres and URL of Valkey."""
    folder = Path(tempfile.mkdtemp(prefix="earshot-test-", dir=_quick_folder()))
    folder.chmod(0o711)  # the database's own account must be able to pass
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers", str(folder / "data")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    assert line, "the servers did not start"
    yield tuple(json.loads(line))
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdout.close()
    shutil.rmtree(folder, ignore_errors=True)


def _named(url: str, name: str) -> str:
    return url.rpartition("/")[0] + "/" + name


@pytest.fixture(scope="session")
def keyring() -> Keyring:
    return Keyring.parse(TEST_KEY)


@pytest.fixture(scope="session")
def _maintenance(servers):
    """Makes and drops databases."""
    with psycopg.connect(_named(servers[0], "postgres"), autocommit=True) as conn:
        yield conn


@pytest.fixture(scope="session")
def template(servers, keyring, _maintenance):
    """Name of a migrated database with two tenants."""
    _maintenance.execute(f"CREATE DATABASE {TEMPLATE}")
    migrate(_named(servers[0], TEMPLATE), app_password=PASSWORD, keyring=keyring)
    database = Database(_named(servers[0], TEMPLATE), pool_size=1)
    with database.system_transaction() as conn:
        for text in (ACME, OTHER):
            apply_tenant(conn, parse_tenant_file(text, source="test", environ={}), keyring=keyring)
    database.close()
    return TEMPLATE


@pytest.fixture(scope="session")
def clone(servers, _maintenance):
    """A context with a clone of a database to which nobody is connected: clone(name); its URL as its owner.

    The next clone of the template is made, and the last one dropped, while a test runs.
    """
    ahead, behind = [], []

    def make(of):
        name = f"test_{next(_numbers)}"
        _maintenance.execute(f"CREATE DATABASE {name} TEMPLATE {of} STRATEGY FILE_COPY")
        return name

    with ThreadPoolExecutor(1) as aside:

        @contextmanager
        def made(of):
            name = (ahead.pop() if ahead and of == TEMPLATE else aside.submit(make, of)).result()
            if of == TEMPLATE:
                ahead.append(aside.submit(make, of))
            yield _named(servers[0], name)
            behind.append(aside.submit(_maintenance.execute, f"DROP DATABASE {name} WITH (FORCE)"))
            if len(behind) > 1:  # has been dropped while this test ran
                behind.pop(0).result()

        yield made
    for dropped in behind:
        dropped.result()


@pytest.fixture
def owner_database_url(template, clone):
    """A fresh clone of the template, as its owner."""
    with clone(template) as url:
        yield url


@pytest.fixture
def app_url(owner_database_url, template):
    """The same database as the restricted role."""
    app = app_database_url(_named(owner_database_url, template), PASSWORD)
    return _named(app, owner_database_url.rpartition("/")[2])


@pytest.fixture
def owner(owner_database_url):
    """A connection that sees all tenants."""
    with psycopg.connect(owner_database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def tenant_ids(owner) -> dict[str, int]:
    return dict(owner.execute("SELECT slug, id FROM tenant").fetchall())


@pytest.fixture
def database(app_url):
    database = Database(app_url, pool_size=8, wait_s=20)
    yield database
    database.close()


@pytest.fixture(scope="session")
def standins(tmp_path_factory):
    """Base URLs of the providers' stand-ins."""
    ports_file = tmp_path_factory.mktemp("standins") / "ports.json"
    process = subprocess.Popen([sys.executable, "-m", "devstack.standins", "--ports-file", str(ports_file)], cwd=ROOT)
    deadline = time.monotonic() + 20
    while not ports_file.exists():
        assert time.monotonic() < deadline and process.poll() is None, "the stand-ins did not start"
        time.sleep(0.05)
    yield json.loads(ports_file.read_text())
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="session")
def forget_calls(standins):
    """Have every stand-in forget what it received and how it was told to answer: forget_calls()."""
    # Twelve requests before most tests: httpx2 takes three times as long for one.
    connections = [http.client.HTTPConnection(urlsplit(url).netloc, timeout=10) for url in standins.values()]

    def forget():
        for connection in connections:
            for path in ("/_received", "/_script"):
                connection.request("DELETE", path)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200

    yield forget
    for connection in connections:
        connection.close()


@pytest.fixture(scope="session")
def broker(servers):
    """The Celery application speaks to the test's broker."""
    from worker.app import app

    app.conf.broker_url = servers[1]
    return servers[1]


@pytest.fixture(scope="session")
def rabbitmq():
    """A running node of RabbitMQ; a test that ends it starts it again."""
    need_rabbitmq()
    folder = Path(tempfile.mkdtemp(prefix="earshot-rabbitmq-", dir="/tmp"))
    node = RabbitMq(folder)
    try:
        node.start()
        yield node
    finally:
        node.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def settings(app_url, broker, standins) -> Settings:
    return load_settings(
        {
            "DATABASE_URL": app_url,
            "REDIS_URL": broker,
            "EARSHOT_KEYS": TEST_KEY,
            "ANTHROPIC_API_KEY": "test",
            **{name: standins[standin] for name, standin in STANDIN_OF.items()},
            "ANALYZER_LABEL": "stand-in",
            "LOG_LEVEL": "WARNING",
            "DATABASE_POOL_SIZE": "8",
        }
    )


os.environ.setdefault("PROMETHEUS_DISABLE_CREATED_SERIES", "true")
