"""What must hold when everything has calmed down, whatever broke before: each check tells what is wrong, or nothing."""

import json
import re
from collections import Counter
from collections.abc import Iterator

import httpx2

from tests.chaos.load import CARD, MAIL, NAME, PHONE, Producer
from tests.running_stack import RunningStack

MAX_CALLS_PER_MESSAGE = 1.10
# One message's number, as the load writes it into the text.
_NUMBER = "substring(m.text FROM '#([0-9]{5})#$')::int"
_OURS = "m.text LIKE '%%#' AND m.direction = 'inbound'"
PRIVATE = (PHONE, PHONE[4:], MAIL, CARD, CARD[:9], NAME, "9053000")


# What is still on its way, by what it is.
_UNSETTLED = {
    "messages": "SELECT count(*) FROM message WHERE state NOT IN ('done', 'dead', 'ignored', 'erased', 'unanalyzed')",
    "automations": "SELECT count(*) FROM action WHERE state IN ('pending', 'sending')",
    "CRM cards": "SELECT count(*) FROM crm_state WHERE version > written_version",
    "CRM events": "SELECT count(*) FROM crm_event WHERE state = 'pending'",
}


def list_unsettled(stack: RunningStack) -> set[str]:
    """The kinds of work of which something is not done yet."""
    return {what for what, query in _UNSETTLED.items() if stack.rows(query) != [(0,)]}


def violations(stack: RunningStack, producer: Producer) -> list[str]:
    """Every broken promise, as a sentence."""
    return [
        *_received(stack, producer),
        *_analyzed(stack, producer),
        *_automations(stack),
        *_crm(stack),
        *_provider(stack, producer),
        *_accounts(stack),
    ]


def _received(stack: RunningStack, producer: Producer) -> Iterator[str]:
    rows = stack.rows(f"SELECT {_NUMBER}, count(*) FROM message AS m WHERE {_OURS} GROUP BY 1")
    stored = Counter(dict(rows))
    lost = sorted(producer.acknowledged - stored.keys())
    if lost:
        yield f"{len(lost)} acknowledged messages are lost: {lost[:5]}"
    if len(producer.acknowledged) != producer.messages:
        yield f"only {len(producer.acknowledged)} of {producer.messages} messages were ever acknowledged"
    if doubled := [number for number, times in stored.items() if times > 1]:
        yield f"{len(doubled)} messages are stored twice: {doubled[:5]}"
    if taken := [status for status in producer.forged if status == 200]:
        yield f"{len(taken)} forged bodies were taken"
    ((forged,),) = stack.rows("SELECT count(*) FROM message WHERE provider_message_id LIKE 'wamid.FORGED%%'")
    if forged:
        yield f"{forged} forged messages are stored"


def _analyzed(stack: RunningStack, producer: Producer) -> Iterator[str]:
    for state, number in stack.rows(
        f"SELECT m.state, count(*) FROM message AS m WHERE {_OURS} AND m.state <> 'done' GROUP BY 1"
    ):
        yield f"{number} messages ended as {state}"
    for what, table, condition in (
        ("analyses", "message_analysis", "x.run_kind = 'initial' AND NOT x.provisional"),
        ("decisions", "routing_decision", "NOT x.provisional"),
    ):
        rows = stack.rows(
            f"""
            SELECT x.number, count(*) FROM (
                SELECT m.id, (SELECT count(*) FROM {table} AS x WHERE x.message_id = m.id AND {condition}) AS number
                FROM message AS m WHERE {_OURS}
            ) AS x WHERE x.number <> 1 GROUP BY 1
            """
        )
        for number, messages in rows:
            yield f"{messages} messages have {number} {what}"
    ((dead,),) = stack.rows("SELECT count(*) FROM run WHERE state = 'dead'")
    if dead:
        yield f"{dead} runs are dead"
    ((calls,),) = stack.rows("SELECT count(*) FROM egress WHERE outcome = 'answered' OR outcome IS NULL")
    if calls > MAX_CALLS_PER_MESSAGE * producer.messages:
        yield f"{calls} calls of the model were paid for {producer.messages} messages"


def _automations(stack: RunningStack) -> Iterator[str]:
    sends = httpx2.get(f"{stack.info['standins']['graph']}/_sends", timeout=10).json()
    arrived = Counter(
        callback for send in sends if (callback := send["body"].get("biz_opaque_callback_data")) is not None
    )
    if twice := [callback for callback, times in arrived.items() if times > 1]:
        yield f"{len(twice)} automations were sent twice: {twice[:3]}"
    states = dict(stack.rows("SELECT id::text, state FROM action"))
    if unowned := [callback for callback in arrived if _action_of(callback) not in states]:
        yield f"{len(unowned)} sends belong to no action: {unowned[:3]}"
    if denied := [one for one in arrived if states.get(_action_of(one)) not in {"sent", "uncertain", None}]:
        yield f"{len(denied)} actions arrived and say {Counter(states[_action_of(one)] for one in denied)}"
    rows = stack.rows("SELECT message_id, kind FROM action GROUP BY 1, 2 HAVING count(*) > 1")
    if rows:
        yield f"{len(rows)} automations were planned twice"


def _action_of(callback: str) -> str:
    found = re.search(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", callback)
    return found[0] if found else callback


def _crm(stack: RunningStack) -> Iterator[str]:
    url = f"{stack.info['standins']['hubspot']}/crm/objects/2026-09/contacts"
    cards = httpx2.get(url, headers={"Authorization": "Bearer acme-hubspot"}, timeout=20).json()["results"]
    shown = {
        card["properties"]["phone"].lstrip("+"): card["properties"].get("earshot_label")
        for card in cards
        if card["properties"].get("phone")
    }
    expected = stack.rows(
        """
        SELECT ltrim(i.value, '+'), count(*) FILTER (WHERE e.sentiment = 'negative')
        FROM message AS m JOIN customer_identity AS i ON i.customer_id = m.customer_id AND i.kind = 'phone'
            CROSS JOIN LATERAL effective_label(m.id) AS e
        WHERE m.text LIKE '%%#' AND m.direction = 'inbound'
        GROUP BY 1
        """
    )
    wrong = [
        phone
        for phone, negatives in expected
        if shown.get(phone) != f"{negatives} negative message{'' if negatives == 1 else 's'} in last 30 days"
    ]
    if len(expected) < len(cards) / 2:
        yield "the check of CRM cards sees too few customers"
    if wrong:
        yield f"{len(wrong)} of {len(expected)} CRM cards say something else than our rows"
    phones = Counter(card["properties"].get("phone") for card in cards)
    if doubled := [phone for phone, times in phones.items() if phone and times > 1]:
        yield f"{len(doubled)} customers have two CRM records"
    rows = stack.rows("SELECT key FROM crm_event GROUP BY 1 HAVING count(*) > 1")
    if rows:
        yield f"{len(rows)} CRM events stand twice"


def _provider(stack: RunningStack, producer: Producer) -> Iterator[str]:
    received = stack.received("anthropic")
    yield from (f"the AI provider was shown {secret!r}" for secret in PRIVATE if secret in received)
    if "parcel" not in received:
        yield "the check of what the provider was shown sees nothing"
    logs = stack.logs()
    yield from (f"a log holds {secret!r}" for secret in PRIVATE if secret in logs)
    _ = producer


def _accounts(stack: RunningStack) -> Iterator[str]:
    """A supervisor that gave a process up would look calm."""
    missing = [group for group, pids in stack.info["pids"].items() if not pids]
    if missing:
        yield f"no process runs for {json.dumps(missing)}"
