"""Sweeps by hand: messages with a past, turns one after another, and what the stand-in was paid for."""

import time

import httpx2

from store.sweep_choice import choose_messages
from store.sweeps import get_sweep, list_sweeps
from worker import sweeps
from worker.sweep_plan import SweepOptions, make_plan, start_sweep

WORDS = (
    "My parcel never arrived, order {0}, I want my money back",
    "Thank you, the blue shoes are great, order {0}",
    "Where is my order {0}? It should have come on Monday, and nobody answers the phone",
    "Do you ship to Ankara and how much is it for number {0}?",
    "The app crashes when I open basket {0}",
)


def seed(owner, tenant_id, *, messages, customers=4, analyzed=False, days_ago=2, words=WORDS):
    """Messages that are done with triage, round-robin over customers; returns their ids in order. One conversation each customer.

    analyzed: give them an analysis of an older prompt, "neutral" and "other".
    """
    people = [
        row[0]
        for row in owner.execute(
            "INSERT INTO customer (tenant_id, display_name) SELECT %s, 'Ada ' || n FROM generate_series(1, %s) AS n RETURNING id",
            (tenant_id, customers),
        ).fetchall()
    ]
    owner.execute(
        """
        INSERT INTO conversation (tenant_id, customer_id, channel, account_id)
        SELECT %s, id, 'whatsapp', '111000111' FROM unnest(%s::uuid[]) AS given (id)
        """,
        (tenant_id, people),
    )
    rows = owner.execute(
        """
        INSERT INTO message (
            tenant_id, conversation_id, customer_id, channel, surface, account_id, provider_message_id, direction,
            message_type, text, minimized_text, sent_at, state, sender
        )
        SELECT %s, c.id, c.customer_id, 'whatsapp', 'dm', '111000111', 'wamid.S' || gen_random_uuid(), 'inbound', 'text', given.text,
               given.text, now() - make_interval(days => %s) + make_interval(secs => given.n), 'done', '{}'
        FROM unnest(%s::text[], %s::uuid[]) WITH ORDINALITY AS given (text, customer_id, n)
        JOIN conversation AS c ON c.customer_id = given.customer_id
        ORDER BY given.n
        RETURNING id::text
        """,
        (
            tenant_id,
            days_ago,
            [words[number % len(words)].format(number) for number in range(messages)],
            [people[number % customers] for number in range(messages)],
        ),
    ).fetchall()
    ids = [row[0] for row in rows]
    if analyzed:
        analyze_before(owner, tenant_id, ids)
    return ids


def analyze_before(owner, tenant_id, message_ids, *, model="claude-haiku-5-5", prompt_version="g0.s1", **more):
    """An analysis from before the sweep: neutral, other, no topics."""
    for message_id in message_ids:
        owner.execute(
            """
            WITH key AS (
                INSERT INTO analysis_key (message_id, run_id, tenant_id, analysis_id)
                VALUES (%s, uuidv7(), %s, uuidv7()) RETURNING *
            )
            INSERT INTO message_analysis (
                id, tenant_id, message_id, run_id, run_kind, sentiment, score, summary, intent, topics, suggested_action, analyzer,
                model, prompt_version, prompt_hash
            )
            SELECT analysis_id, tenant_id, message_id, run_id, 'initial', %s, 0.9, 'before', %s, %s, 'none', 'stand-in', %s, %s, %s
            FROM key
            """,
            (
                message_id,
                tenant_id,
                more.get("sentiment", "neutral"),
                more.get("intent", "other"),
                more.get("topics", []),
                model,
                prompt_version,
                more.get("prompt_hash"),
            ),
        )


def plan(deps, tenant_id, **options):
    tenant = deps.tenants.get(tenant_id)
    with deps.database.tenant_transaction(tenant_id) as conn:
        return make_plan(conn, tenant_id, tenant, SweepOptions.of(tenant, **options), model=None)


def chosen(deps, tenant_id, *, days=90, customers=1000):
    """Ids of what a sweep would judge, in its order."""
    with deps.database.tenant_transaction(tenant_id) as conn:
        return [one for one, _ in choose_messages(conn, tenant_id, days=days, max_customers=customers)]


def start(deps, tenant_id, *, period="2026-11", **options):
    """Plan and start; returns the sweep's id."""
    planned = plan(deps, tenant_id, **options)
    with deps.database.tenant_transaction(tenant_id) as conn:
        return start_sweep(conn, tenant_id, planned, period=period)


def look(deps, tenant_id, sweep_id):
    with deps.database.tenant_transaction(tenant_id) as conn:
        return get_sweep(conn, sweep_id)


def newest(deps, tenant_id):
    with deps.database.tenant_transaction(tenant_id) as conn:
        return list_sweeps(conn, tenant_id)[0]


def turn(deps, tenant_id, sweep_id):
    sweeps.advance_sweep(deps, tenant_id=tenant_id, sweep_id=sweep_id)


def drive(deps, owner, tenant_id, sweep_id, *, timeout_s=60):
    """Turns until nothing is due any more; returns the sweep."""
    deadline = time.monotonic() + timeout_s
    while True:
        turn(deps, tenant_id, sweep_id)
        (next_at,) = owner.execute("SELECT next_at FROM sweep WHERE id = %s", (sweep_id,)).fetchone()
        if next_at is None:
            return look(deps, tenant_id, sweep_id)
        assert time.monotonic() < deadline, owner.execute(
            "SELECT state, count(*) FROM sweep_item GROUP BY 1"
        ).fetchall()
        time.sleep(0.02)


def item_states(owner, sweep_id):
    return dict(
        owner.execute("SELECT state, count(*) FROM sweep_item WHERE sweep_id = %s GROUP BY 1", (sweep_id,)).fetchall()
    )


def batch_states(owner, sweep_id):
    return dict(
        owner.execute("SELECT state, count(*) FROM sweep_batch WHERE sweep_id = %s GROUP BY 1", (sweep_id,)).fetchall()
    )


def analyses(owner, sweep_id):
    """(how many analyses the sweep has appended, of how many messages)."""
    return owner.execute(
        """
        SELECT count(*), count(DISTINCT a.message_id)
        FROM message_analysis AS a JOIN sweep_item AS i ON i.run_id = a.run_id
        WHERE i.sweep_id = %s AND a.run_kind = 'sweep'
        """,
        (sweep_id,),
    ).fetchone()


def ledger(owner, sweep_id):
    """What the sweep's calls cost by the ledger, in millionths of a dollar."""
    (cost,) = owner.execute(
        """
        SELECT coalesce(sum(e.cost_microusd), 0)::bigint
        FROM egress AS e JOIN sweep_item AS i ON i.run_id = e.run_id
        WHERE i.sweep_id = %s AND e.purpose = 'sweep'
        """,
        (sweep_id,),
    ).fetchone()
    return cost


class Provider:
    """The stand-in, and what it did since the test began."""

    def __init__(self, url):
        self.url = url
        self._before = self._paid()
        self._batches_before = self._batches()
        self.batches_take(0.05)

    def _paid(self):
        return httpx2.get(f"{self.url}/_paid").json()

    @property
    def paid(self):
        """(single calls, batched requests) that were answered, and so billed."""
        now = self._paid()
        return now["calls"] - self._before["calls"], now["batched"] - self._before["batched"]

    def batches_take(self, seconds):
        httpx2.post(f"{self.url}/_batch_time", json={"seconds": seconds})

    def calls_take(self, seconds):
        httpx2.post(f"{self.url}/_latency", json={"seconds": seconds})

    def script(self, *steps):
        httpx2.post(f"{self.url}/_script", json={"steps": list(steps)})

    def received(self):
        return httpx2.get(f"{self.url}/_received").text.splitlines()

    def _batches(self):
        """Ids of all batches of the test's key that were not deleted."""
        headers = {"Authorization": "Bearer test"}
        page = httpx2.get(f"{self.url}/v1/messages/batches?limit=1000", headers=headers).json()
        return [one["id"] for one in page["data"]]

    def batches_left(self):
        """Ids of this test's batches that were not deleted."""
        return [one for one in self._batches() if one not in self._batches_before]


class Killed(BaseException):
    """The worker is gone, in the middle of this."""
