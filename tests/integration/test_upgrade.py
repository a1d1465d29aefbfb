"""An upgrade with messages on their way: tasks of the previous release are understood, and migrations run beside its writes."""

import base64
import inspect
import json
import threading
import time
from pathlib import Path

import psycopg
import pytest
import redis
from celery.app.trace import build_tracer

from store import migrate as migrations
from store.migrate import app_database_url, list_migrations, migrate
from store.runs import RunRef
from tests.conftest import PASSWORD
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import pipeline, tasks
from worker.app import app

# All of them, as a worker knows them.
app.loader.import_default_modules()
# What stands in the broker when the new release starts. A message that is written in another form from now on is a new entry here;
# an entry goes with the release after the one that stopped writing it.
GOLDEN = json.loads(Path(__file__).with_name("golden_tasks.json").read_text())
PLACEHOLDERS = {
    "TENANT": 1,
    "MESSAGE": "01a20000-0000-7000-8000-000000000001",
    "RUN": "01a20000-0000-7000-8000-000000000002",
}
# Of each message, what a release could get wrong; the rest is Celery's (hosts, times, ids of its own).
HEADERS = ("lang", "task", "argsrepr", "retries", "timelimit", "ignore_result")


@pytest.fixture
def queues(broker):
    with redis.Redis.from_url(broker) as client:
        client.flushdb()
        yield client
        client.flushdb()


def read(client, queue):
    """The queue's messages, oldest first, as (headers, args, kwargs, rest of the chain)."""
    found = []
    for raw in client.lrange(queue, 0, -1)[::-1]:
        message = json.loads(raw)
        args, kwargs, embed = json.loads(base64.b64decode(message["body"]))
        found.append((message, args, kwargs, embed))
    return found


def shape(queue, message, kwargs, embed):
    """What is pinned of a message."""
    chain = [
        {key: link[key] for key in ("task", "args", "kwargs", "immutable")} | {"queue": link["options"]["queue"]}
        for link in reversed(embed["chain"] or [])
    ]
    headers = {key: message["headers"][key] for key in HEADERS}
    return {"queue": queue, "headers": headers, "kwargs": kwargs, "chain": chain}


def ring_everything():
    ids = {"tenant_id": PLACEHOLDERS["TENANT"]}
    pipeline.start(RunRef(PLACEHOLDERS["TENANT"], PLACEHOLDERS["MESSAGE"], PLACEHOLDERS["RUN"]))
    pipeline.start(RunRef(PLACEHOLDERS["TENANT"], PLACEHOLDERS["MESSAGE"], PLACEHOLDERS["RUN"]), state="persisted")
    pipeline.ring_action(**ids, action_id=PLACEHOLDERS["RUN"])
    pipeline.ring_crm(**ids)
    pipeline.ring_webhooks(**ids, subscription_id=PLACEHOLDERS["RUN"])
    pipeline.ring_sweep(**ids, sweep_id=PLACEHOLDERS["RUN"])
    pipeline.ring_errand("crm", **ids, errand_id=PLACEHOLDERS["RUN"])
    pipeline.ring_trial(**ids, trial_id=PLACEHOLDERS["RUN"])


def test_what_is_written_into_the_broker_is_in_the_golden_file(queues):
    ring_everything()
    names = [queue.name for queue in app.conf.task_queues]
    written = [
        shape(name, message, kwargs, embed) for name in names for message, _, kwargs, embed in read(queues, name)
    ]
    assert len(written) == 8
    for one in written:
        assert one in GOLDEN, f"a new form: add it to golden_tasks.json beside the old one: {json.dumps(one)}"


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: f"{golden['headers']['task']}+{len(golden['chain'])}")
def test_a_task_of_the_previous_release_is_known_and_takes_its_arguments_and_those_of_the_next(golden):
    for link in [{"task": golden["headers"]["task"], "kwargs": golden["kwargs"]}, *golden["chain"]]:
        signature = inspect.signature(app.tasks[link["task"]].__wrapped__)
        parameters = [one for one in signature.parameters.values() if one.name != "self"]
        signature.replace(parameters=parameters).bind(**link["kwargs"], something_of_the_next_release=1)


def test_a_chain_that_the_previous_release_has_begun_ends_on_this_one(queues, deps, receive, owner, monkeypatch):
    (ref,) = receive(whatsapp_body(whatsapp_message("The parcel is late, I want my money back!")))
    monkeypatch.setattr(tasks, "deps", lambda: deps)
    golden = next(one for one in GOLDEN if len(one["chain"]) == 4)
    put(queues, golden, {"tenant_id": ref.tenant_id, "message_id": ref.message_id, "run_id": ref.run_id})
    while (found := next(iter(read_all(queues)), None)) is not None:
        queue, (message, args, kwargs, embed) = found
        queues.rpop(queue)
        task = app.tasks[message["headers"]["task"]]
        request = {**message["headers"], **embed, "delivery_info": message["properties"]["delivery_info"]}
        build_tracer(task.name, task, app=app)(message["headers"]["id"], args, kwargs, request)
    assert owner.execute("SELECT state FROM message").fetchone() == ("done",)
    assert owner.execute("SELECT count(*) FROM routing_decision").fetchone() == (1,)


def read_all(client):
    for stage in pipeline.STAGES:
        for message in read(client, stage):
            yield stage, message


def put(client, golden, kwargs):
    """A message as the previous release left it, with other ids."""
    chain = [
        {
            "task": link["task"], "args": link["args"], "kwargs": kwargs, "immutable": link["immutable"],
            "options": {"queue": link["queue"], "task_id": f"old-{link['task']}", "reply_to": "old"}, "subtask_type": None,
        }
        for link in reversed(golden["chain"])
    ]  # fmt: skip
    body = json.dumps([[], kwargs, {"callbacks": None, "errbacks": None, "chain": chain, "chord": None}])
    headers = {**golden["headers"], "id": "old-id", "root_id": "old-id", "parent_id": None, "group": None, "eta": None}
    properties = {
        "correlation_id": "old-id", "reply_to": "old", "delivery_mode": 2, "priority": 0, "body_encoding": "base64",
        "delivery_info": {"exchange": "", "routing_key": golden["queue"]}, "delivery_tag": "old-tag",
    }  # fmt: skip
    message = {
        "body": base64.b64encode(body.encode()).decode(), "content-encoding": "utf-8", "content-type": "application/json",
        "headers": headers, "properties": properties,
    }  # fmt: skip
    client.lpush(golden["queue"], json.dumps(message))


# How the first release writes a message and works on it. Statements that a release has used run on the schema of the next.
WRITES = (
    """
    WITH fresh AS (
        INSERT INTO message_key (tenant_id, account_id, key, message_id) VALUES (%(tenant)s, '111', %(key)s, uuidv7())
        ON CONFLICT DO NOTHING
        RETURNING message_id
    ), added AS (
        INSERT INTO message (
            id, tenant_id, channel, surface, account_id, provider_message_id, direction, message_type, text, sent_at, state, sender
        )
        SELECT message_id, %(tenant)s, 'whatsapp', 'dm', '111', 'x', 'inbound', 'text', 'hi', now(), 'received', '{}' FROM fresh
    ), kept AS (
        INSERT INTO message_raw (message_id, tenant_id, item) SELECT message_id, %(tenant)s, 'x' FROM fresh
    )
    INSERT INTO run (tenant_id, message_id, kind) SELECT %(tenant)s, message_id, 'initial' FROM fresh
    """,
    """
    UPDATE run
    SET lease_token = gen_random_uuid(), lease_until = clock_timestamp() + interval '15 s'
    WHERE id = (SELECT id FROM run WHERE tenant_id = %(tenant)s AND lease_token IS NULL LIMIT 1 FOR UPDATE SKIP LOCKED)
    """,
)
# A migration waits five seconds for a lock at most (store/migrate.py), and who comes after it waits behind it.
BLOCKED_AT_MOST_S = 8.0
OF_THE_NEW_RELEASE = 6


def test_migrations_run_beside_the_writes_of_the_previous_release(servers, keyring, template, monkeypatch):
    name = "upgrade_under_traffic"
    url = servers[0].rpartition("/")[0] + "/" + name
    with psycopg.connect(servers[0].rpartition("/")[0] + "/postgres", autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name}")
    try:
        everything = list_migrations()
        monkeypatch.setattr(migrations, "list_migrations", lambda: everything[:-OF_THE_NEW_RELEASE])
        migrate(url, app_password=PASSWORD, keyring=keyring)
        monkeypatch.setattr(migrations, "list_migrations", lambda: everything)
        with psycopg.connect(url, autocommit=True) as owner:
            row = owner.execute(
                "INSERT INTO tenant (slug, name, config) VALUES ('a', 'A', '{}') RETURNING id"
            ).fetchone()
            traffic = Traffic(app_database_url(url, PASSWORD), row[0])
            traffic.begin()
            time.sleep(0.5)
            applied = migrate(url, app_password=PASSWORD, keyring=keyring)
            time.sleep(0.5)
            traffic.end()
            assert len(applied) == OF_THE_NEW_RELEASE
            ((stored,),) = owner.execute("SELECT count(*) FROM message").fetchall()
            ((runs,),) = owner.execute("SELECT count(*) FROM run").fetchall()
        assert traffic.failed == []
        assert stored == runs == traffic.acknowledged > 20
        assert traffic.slowest_s < BLOCKED_AT_MOST_S
    finally:
        with psycopg.connect(servers[0].rpartition("/")[0] + "/postgres", autocommit=True) as conn:
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Traffic:
    """Three receivers of the previous release. failed: classes of errors that trying again would not cure."""

    def __init__(self, url, tenant_id):
        self.acknowledged, self.slowest_s, self.failed = 0, 0.0, []
        self._url, self._tenant_id = url, tenant_id
        self._lock, self._over = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(3)]

    def begin(self):
        for thread in self._threads:
            thread.start()

    def end(self):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _send(self, sender):
        number = 0
        with psycopg.connect(self._url, options="-c lock_timeout=8000") as conn:
            while not self._over.is_set():
                began = time.monotonic()
                try:
                    with conn.transaction():
                        conn.execute("SELECT set_config('earshot.tenant', %s, true)", (str(self._tenant_id),))
                        for statement in WRITES:
                            conn.execute(statement, {"tenant": self._tenant_id, "key": f"{sender}.{number}".encode()})
                except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                    continue  # 503: the sender comes again with the same message
                except psycopg.Error as error:
                    self.failed.append(type(error).__name__)
                    return
                number += 1
                with self._lock:
                    self.acknowledged += 1
                    self.slowest_s = max(self.slowest_s, time.monotonic() - began)
