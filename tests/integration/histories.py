"""Histories of many kinds of messages, played through the real stages with given answers instead of a model."""

import random
import uuid
from datetime import UTC, datetime

from psycopg.types.json import Jsonb

from store.analyses import NewAnalysis, add_analysis
from store.bursts import join_burst
from store.customers import close_conversation
from store.runs import RunRef, advance, lock_run
from tests.webhooks import whatsapp_body, whatsapp_echo, whatsapp_message
from worker import reconcile, steps
from worker.correction_step import correct
from worker.provisional_reading import read_provisionally

TEXTS = (
    "I want my money back", "where is my parcel", "thank you, wonderful", "my lawyer will hear of this",
    "it is urgent, call me now", "the app crashes", "how much is it", "ok", "competitors have the same issue too",
)  # fmt: skip
INTENTS = (
    "order_status", "refund_request", "price_inquiry", "technical_support", "complaint", "compliment", "callback_request",
    "cancellation", "spam", "other",
)  # fmt: skip


def any_answer(rng):
    """An answer as a model might give it, in every corner of what routing looks at."""
    sentiment = rng.choice(["negative", "negative", "neutral", "positive"])
    intent = rng.choice(["refund_request", "compliment", *INTENTS])
    return {
        "sentiment": sentiment,
        "score": rng.choice([0.3, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.93, round(rng.random(), 3)]),
        "summary": "s",
        "intent": intent,
        "topics": rng.sample(["refund", "shipping", "billing"], rng.randrange(3)),
        "suggested_action": rng.choice(["none", "follow_up", "schedule_callback", "send_refund_form"]),
        "language": rng.choice(["en", "tr"]),
        "signals": {name: rng.random() < 0.1 for name in ("sarcasm", "injection_suspected", "urgent")},
    }


def any_events(seed, *, count):
    """What happens, in order: (kind, customer, provider's second, more). Late and early messages are among them."""
    rng = random.Random(seed)
    start = int(datetime.now(UTC).timestamp()) - 20 * 3600
    events = []
    for number in range(count):
        customer = f"90555000{rng.randrange(max(2, count // 8)):04d}"
        at = start + number * 60 + rng.choice([0, 0, 0, -400, 30])
        kind = rng.choices(
            ["message", "image", "failed", "burst", "late", "answer", "correct", "again", "again_failed", "resolve"],
            [60, 4, 4, 5, 6, 6, 7, 4, 2, 2],
        )[0]
        events.append((kind, customer, at, rng.choice(TEXTS), any_answer(rng), rng.random()))
    return events


class Player:
    """Plays events for one tenant."""

    def __init__(self, deps, owner, receive, *, slug, account, tenant_id):
        self.deps, self.owner, self.receive = deps, owner, receive
        self.slug, self.account, self.tenant_id = slug, account, tenant_id
        self.messages = []

    def play(self, events):
        for event in events:
            self._play(*event)

    def _play(self, kind, customer, at, text, answer, dice):
        if kind in {"message", "late", "failed", "burst"}:
            parts = [self._receive(customer, at - 5, "please help, it is urgent")] if kind == "burst" else []
            ref = self._receive(customer, at, text)
            for one in (*parts, ref):
                steps.minimize(self.deps, one)
            for part in parts:
                with self.deps.database.tenant_transaction(self.tenant_id) as conn:
                    join_burst(conn, run_id=part.run_id, message_id=part.message_id, to_message_id=ref.message_id)
            if kind == "late":
                read_provisionally(self.deps, ref)
            self._finish(ref, None if kind == "failed" else answer)
            self.messages.append(ref.message_id)
        elif kind == "image":
            body = whatsapp_message(None, sender=customer, timestamp=str(at), type="image", image={"id": "1"})
            del body["text"]
            (ref,) = self.receive(whatsapp_body(body, account=self.account), slug=self.slug)
            steps.minimize(self.deps, ref)
            steps.route(self.deps, ref, now=datetime.now(UTC))
            steps.crm_sync(self.deps, ref)
        elif kind == "answer":
            echo = whatsapp_echo("I am on it", to=customer, timestamp=str(at))
            refs = self.receive(echo.replace(b"111000111", self.account.encode()), slug=self.slug)
            for ref in refs:
                steps.place(self.deps, ref)
            reconcile.place_waiting(self.deps)
        elif kind == "resolve":
            rows = self.owner.execute(
                "SELECT c.id FROM conversation c JOIN customer_identity i ON i.customer_id = c.customer_id "
                "WHERE c.tenant_id = %s AND i.value LIKE %s ORDER BY c.id",
                (self.tenant_id, f"%{customer}"),
            ).fetchall()
            with self.deps.database.tenant_transaction(self.tenant_id) as conn:
                for (conversation_id,) in rows:
                    close_conversation(conn, conversation_id)
        elif self.messages:
            message_id = self.messages[int(dice * len(self.messages))]
            self._look_again(kind, message_id, answer)

    def _look_again(self, kind, message_id, answer):
        if kind == "correct":
            tenant = self.deps.tenants.get(self.tenant_id)
            with self.deps.database.tenant_transaction(self.tenant_id) as conn:
                if conn.execute("SELECT FROM effective_label(%s)", (message_id,)).fetchone() is None:
                    return
                correct(
                    conn,
                    self.tenant_id,
                    tenant=tenant,
                    message_id=message_id,
                    field="sentiment",
                    value=answer["sentiment"],
                    by=1,
                )
            return
        ref = RunRef(self.tenant_id, message_id, str(uuid.uuid4()))
        self.owner.execute(
            "INSERT INTO run (id, tenant_id, message_id, kind, state) VALUES (%s, %s, %s, 'reanalyze', 'minimized')",
            (ref.run_id, self.tenant_id, message_id),
        )
        self._finish(ref, answer if kind == "again" else None, run_kind="reanalyze")

    def _receive(self, customer, at, text):
        body = whatsapp_body(whatsapp_message(text, sender=customer, timestamp=str(at)), account=self.account)
        (ref,) = self.receive(body, slug=self.slug)
        return ref

    def _finish(self, ref, answer, *, run_kind="initial"):
        with self.deps.database.tenant_transaction(self.tenant_id) as conn:
            lock_run(conn, ref)
            if answer:
                new = NewAnalysis(answer=answer, run_kind=run_kind, analyzer="given", model="m", prompt_version="g2.s1")
                add_analysis(conn, ref, new)
            advance(conn, ref, to="persisted", outcome="analyzed" if answer else "unanalyzed")
        steps.route(self.deps, ref, now=datetime.now(UTC))
        steps.crm_sync(self.deps, ref)


def decisions(owner, tenant_id):
    """All decisions of a tenant, in order, without ids."""
    return owner.execute(
        """
        SELECT priority, queue, rule, actions, applied, provisional
        FROM routing_decision
        WHERE tenant_id = %s
        ORDER BY id
        """,
        (tenant_id,),
    ).fetchall()


def set_config(owner, deps, tenant_id, **changes):
    """Change parts of a tenant's stored settings; they count at once."""
    owner.execute("UPDATE tenant SET config = config || %s WHERE id = %s", (Jsonb(changes), tenant_id))
    deps.tenants._cached.clear()
