"""A tenant's history of decisions, written straight into the tables: realistic enough to measure reading it."""

import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from config.words import Intent, Priority, Sentiment, Surface
from routing.facts import RoutingFacts, RoutingPolicy
from routing.policy_snapshot import take_snapshot
from routing.rules import decide
from routing.stored_facts import facts_to_json

_INTENTS: dict[Sentiment, tuple[Intent, ...]] = {
    "negative": (
        "complaint",
        "complaint",
        "refund_request",
        "order_status",
        "technical_support",
        "cancellation",
        "other",
    ),
    "neutral": ("order_status", "price_inquiry", "other", "technical_support", "spam", "callback_request"),
    "positive": ("compliment", "compliment", "other", "order_status"),
}
_TOPICS = ("shipping", "refund", "billing", "payment", "account", "app", "pricing", "sizing", "stock", "returns")
_DAY = timedelta(days=1)


def add_history(
    url: str, tenant_id: int, *, policy: RoutingPolicy, decisions: int, days: int, now: datetime, seed: int = 1
) -> None:
    """Messages, conversations and their decisions over the last days, as the policy decides them."""
    rng = random.Random(seed)  # noqa: S311 -- the same history each time
    start = now - days * _DAY
    people = [_new_id(start - days * _DAY, rng) for _ in range(max(1, decisions // 6))]
    conversations = {person: _new_id(start - days * _DAY, rng) for person in people}
    with psycopg.connect(url) as conn:
        conn.execute("SELECT ensure_month_partitions(%s::date, %s)", (start.date().replace(day=1), days // 28 + 3))
        snapshot = take_snapshot(policy)
        conn.execute(
            "INSERT INTO routing_policy (tenant_id, policy_hash, policy) VALUES (%s, %s, %s::jsonb)",
            (tenant_id, snapshot.policy_hash, snapshot.text),
        )
        _copy(conn, "customer (id, tenant_id)", ((person, tenant_id) for person in people))
        _copy(
            conn,
            "conversation (id, tenant_id, customer_id, channel, account_id)",
            ((one, tenant_id, person, "whatsapp", "1") for person, one in conversations.items()),
        )
        times = sorted(start + rng.random() * days * _DAY for _ in range(decisions))
        messages = [(_new_id(at, rng), rng.choice(people), at) for at in times]
        _copy(
            conn,
            "message (id, tenant_id, conversation_id, customer_id, channel, surface, account_id, provider_message_id, direction,"
            " message_type, text, sent_at, received_at, state, sender)",
            (
                (
                    message_id, tenant_id, conversations[person], person, "whatsapp", "dm", "1", message_id, "inbound", "text",
                    "where is my parcel, it should have been here on Monday", at, at, "done", "{}",
                )
                for message_id, person, at in messages
            ),
        )  # fmt: skip
        _copy(
            conn,
            "routing_decision (id, tenant_id, message_id, run_id, priority, queue, rule, reasons, inputs, applied, created_at,"
            " policy_hash, actions)",
            _decisions(messages, tenant_id, policy=policy, policy_hash=snapshot.policy_hash, rng=rng),
        )
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("VACUUM (ANALYZE) message, routing_decision, conversation")


def _decisions(
    messages: list[tuple[str, str, datetime]],
    tenant_id: int,
    *,
    policy: RoutingPolicy,
    policy_hash: str,
    rng: random.Random,
) -> Iterator[tuple[Any, ...]]:
    stands: dict[str, Priority] = {}
    fired: dict[str, dict[str, int]] = {}
    for message_id, person, sent_at in messages:
        facts = replace(any_facts(rng), open_priority=stands.get(person), recent_actions=dict(fired.get(person, {})))
        decision = decide(facts, policy)
        stands[person] = decision.priority
        if rng.random() < 0.3:
            fired.pop(person, None)
        for action in decision.actions:
            if action.state == "pending":
                counts = fired.setdefault(person, {})
                counts[action.kind] = counts.get(action.kind, 0) + 1
        at = sent_at + timedelta(seconds=3)
        yield (
            _new_id(at, rng), tenant_id, message_id, str(uuid.UUID(int=rng.getrandbits(128))), decision.priority, decision.queue,
            decision.rule, list(decision.reasons), json.dumps(facts_to_json(facts)), True, at, policy_hash,
            json.dumps([{"kind": action.kind, "state": action.state} for action in decision.actions]),
        )  # fmt: skip


def any_facts(rng: random.Random) -> RoutingFacts:
    """Facts as a shop has them: most messages calm, scores with two digits, a few pictures and failures."""
    dice = rng.random()
    surface: Surface = rng.choice(("dm", "dm", "dm", "story_reply", "reel_comment"))
    if dice < 0.06:
        return RoutingFacts("no_text", surface, message_type=rng.choice(("image", "audio", "sticker")))
    if dice < 0.07:
        return RoutingFacts("unanalyzed", surface)
    sentiment: Sentiment = rng.choices(("negative", "neutral", "positive"), (22, 48, 30))[0]
    return RoutingFacts(
        "analyzed",
        surface,
        sentiment=sentiment,
        score=round(min(0.99, max(0.2, rng.gauss(0.82, 0.14))), 2),
        intent=rng.choice(_INTENTS[sentiment]),
        topics=tuple(rng.sample(_TOPICS, rng.choice((0, 1, 1, 1, 2, 2, 3)))),
        suggested_action=rng.choice(("none", "none", "none", "follow_up", "escalate_to_human")),
        language=rng.choice(("tr", "tr", "tr", "en", "de")),
        sarcasm=rng.random() < 0.02,
        urgent=rng.random() < 0.05,
        high_value=rng.random() < 0.04,
        human_took_over=rng.random() < 0.15,
        floor_hits=("urgent",) if rng.random() < 0.04 else (),
    )


def _new_id(at: datetime, rng: random.Random) -> str:
    """A UUIDv7 of this time."""
    milliseconds = int(at.astimezone(UTC).timestamp() * 1000)
    value = milliseconds << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)
    return str(uuid.UUID(int=value))


def _copy(conn: psycopg.Connection[Any], table: str, rows: Iterator[tuple[Any, ...]]) -> None:
    columns = table.replace("(", " (", 1)
    with conn.cursor() as cursor, cursor.copy(f"COPY {columns} FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)
