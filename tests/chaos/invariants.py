"""What must hold when everything has calmed down, whatever broke before: one finding a promise, with its figure."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx2

from tests.chaos.load import CARD, CUSTOMERS, MAIL, NAME, PHONE, Sent
from tests.running_stack import RunningStack

MAX_CALLS_PER_MESSAGE = 1.10
OLDEST_OPEN_S = 300
# One message's number, as the load writes it into the text.
_NUMBER = "substring(m.text FROM '#([0-9]{5})#$')::int"
_OURS = "m.text LIKE '%%#' AND m.direction = 'inbound'"
PRIVATE = (PHONE, PHONE[4:], MAIL, CARD, CARD[:9], NAME, "9053000")
# What is still on its way, by what it is.
_UNSETTLED = {
    "messages": "SELECT count(*) FROM message WHERE state NOT IN ('done', 'dead', 'ignored', 'erased', 'unanalyzed')",
    "passes": "SELECT count(*) FROM run WHERE state <> 'dead'",
    "automations": "SELECT count(*) FROM action WHERE state IN ('pending', 'sending')",
    "CRM cards": "SELECT count(*) FROM crm_state WHERE version > written_version",
    "CRM events": "SELECT count(*) FROM crm_event WHERE state = 'pending'",
}
# A provider recognises none of these again, so each may arrive once at most.
_SENT_TO_CUSTOMERS = "a.state <> 'shadow' AND a.form IS NOT NULL"


@dataclass(frozen=True)
class Finding:
    """One promise: what was found, and whether it holds. is_speed: depends on how busy the machine is."""

    promise: str
    figure: str
    holds: bool
    is_speed: bool = False


def list_unsettled(stack: RunningStack) -> set[str]:
    """The kinds of work of which something is not done yet."""
    return {what for what, query in _UNSETTLED.items() if stack.rows(query) != [(0,)]}


def look(stack: RunningStack, sent: Sent, *, asked_again: bool = False) -> list[Finding]:
    """Every promise that can be looked up in rows, at the far sides and in the logs.

    asked_again: messages were read again on purpose, so there is more history and there are more calls than one each.
    """
    return [
        *_received(stack, sent),
        *_analyzed(stack, sent),
        *_history(stack, asked_again=asked_again),
        *(() if asked_again else _calls(stack, sent)),
        *_automations(stack),
        *_crm(stack),
        *_private(stack),
        *_processes(stack),
    ]


def _none(promise: str, wrong: Sequence[object] | int) -> Finding:
    """A promise that something never is."""
    number = wrong if isinstance(wrong, int) else len(wrong)
    examples = f", such as {wrong[:3]}" if not isinstance(wrong, int) and wrong else ""
    return Finding(promise, f"{number} broken{examples}", holds=number == 0)


def _received(stack: RunningStack, sent: Sent) -> Iterator[Finding]:
    stored = Counter(dict(stack.rows(f"SELECT {_NUMBER}, count(*) FROM message AS m WHERE {_OURS} GROUP BY 1")))
    yield _none("1 every acknowledged message is stored", sorted(sent.acknowledged - stored.keys()))
    unique = len(stored) == sent.messages == sum(stored.values()) == len(sent.acknowledged)
    figure = (
        f"{sum(stored.values())} rows, {len(stored)} messages, {len(sent.acknowledged)} acknowledged of {sent.messages}"
    )
    yield Finding("2 all are acknowledged in the end, and stored once", figure, holds=unique)
    ((forged,),) = stack.rows("SELECT count(*) FROM message WHERE provider_message_id LIKE 'wamid.FORGED%%'")
    taken = sum(status == 200 for status in sent.forged)
    yield _none(f"no forged body is taken ({len(sent.forged)} sent)", forged + taken)


def _analyzed(stack: RunningStack, sent: Sent) -> Iterator[Finding]:
    final = "x.run_kind = 'initial' AND NOT x.provisional"
    yield _exactly_one(stack, sent, "3 one analysis each", "message_analysis", final)
    yield _exactly_one(stack, sent, "5 one decision each", "routing_decision", "NOT x.provisional")
    undone = stack.rows(f"SELECT m.state, count(*) FROM message AS m WHERE {_OURS} AND m.state <> 'done' GROUP BY 1")
    ((dead,),) = stack.rows("SELECT count(*) FROM run WHERE state = 'dead'")
    figure = f"{dead} dead runs; not done: {dict(undone) or 'none'}"
    yield Finding("6 all are done, none is dead", figure, holds=not undone and not dead)
    ((oldest_s,),) = stack.rows("SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::int FROM run")
    yield Finding("no pass is open for five minutes", f"oldest {oldest_s} s", holds=oldest_s < OLDEST_OPEN_S)


def _history(stack: RunningStack, *, asked_again: bool) -> Iterator[Finding]:
    ((more,),) = stack.rows("SELECT count(*) FROM message_analysis WHERE NOT provisional AND run_kind <> 'initial'")
    ((doubled,),) = stack.rows(
        "SELECT count(*) FROM (SELECT FROM message_analysis GROUP BY message_id, run_id HAVING count(*) > 1) AS twice"
    )
    yield _none("4 no history that nobody asked for", doubled if asked_again else more + doubled)


def _exactly_one(stack: RunningStack, sent: Sent, promise: str, table: str, condition: str) -> Finding:
    rows = stack.rows(
        f"""
        SELECT x.number, count(*) FROM (
            SELECT m.id, (SELECT count(*) FROM {table} AS x WHERE x.message_id = m.id AND {condition}) AS number
            FROM message AS m WHERE {_OURS}
        ) AS x GROUP BY 1 ORDER BY 1
        """
    )
    figure = ", ".join(f"{messages} messages have {number}" for number, messages in rows)
    return Finding(promise, figure, holds=rows == [(1, sent.messages)])


def _calls(stack: RunningStack, sent: Sent) -> Iterator[Finding]:
    # Calls of which the provider said that it does not do them cost nothing and are not counted; those cut off by a death are.
    ((paid, all_calls),) = stack.rows(
        "SELECT count(*) FILTER (WHERE outcome IS NULL OR input_tokens IS NOT NULL), count(*) FROM egress"
    )
    seen = sum(json.loads(line)["path"] == "/v1/messages" for line in stack.received("anthropic").splitlines())
    figure = f"{paid / sent.messages:.3f} ({paid} paid, {seen} seen by the provider)"
    yield Finding(
        "calls of the model for a message <= 1.10", figure, holds=paid <= MAX_CALLS_PER_MESSAGE * sent.messages
    )
    yield Finding("no call is missing in the ledger", f"{all_calls} rows for {seen} calls", holds=all_calls >= seen > 0)


def _automations(stack: RunningStack) -> Iterator[Finding]:
    sends = httpx2.get(f"{stack.info['standins']['graph']}/_sends", timeout=10).json()
    arrived = Counter(
        _action_of(callback) for send in sends if (callback := send["body"].get("biz_opaque_callback_data")) is not None
    )
    rows = stack.rows(f"SELECT a.id::text, a.state FROM action AS a WHERE {_SENT_TO_CUSTOMERS}")
    states = dict(rows)
    keys = stack.rows("SELECT message_id, kind FROM action GROUP BY 1, 2 HAVING count(*) > 1")
    yield _none("7 no automation is planned twice", len(keys))
    unowned = [one for one in arrived if one not in states]
    yield _none("7 every send belongs to a planned action", list(unowned))
    yield _none(
        f"8 no reply is sent twice ({sum(arrived.values())} sent)", [one for one, n in arrived.items() if n > 1]
    )
    unsure = [one for one, state in states.items() if state == "uncertain"]
    lied = [one for one, state in states.items() if (state == "sent") != (one in arrived) and state != "uncertain"]
    yield _none(f"9 every reply is known as what it is, or shown as uncertain ({len(unsure)})", list(lied))


def _action_of(callback: str) -> str:
    found = re.search(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", callback)
    return found[0] if found else callback


def _crm(stack: RunningStack) -> Iterator[Finding]:
    url = f"{stack.info['standins']['hubspot']}/crm/objects/2026-09/contacts"
    cards = httpx2.get(url, headers={"Authorization": "Bearer acme-hubspot"}, timeout=20).json()["results"]
    phones = Counter(phone for card in cards if (phone := card["properties"].get("phone")))
    shown = {
        phone.lstrip("+"): card["properties"].get("earshot_label")
        for card in cards
        if (phone := card["properties"].get("phone")) and phone.lstrip("+").startswith(CUSTOMERS)
    }
    expected = dict(
        stack.rows(
            f"""
            SELECT ltrim(i.value, '+'), count(*) FILTER (WHERE e.sentiment = 'negative')
            FROM message AS m JOIN customer_identity AS i ON i.customer_id = m.customer_id AND i.kind = 'phone'
                CROSS JOIN LATERAL effective_label(m.id) AS e
            WHERE {_OURS}
            GROUP BY 1
            """
        )
    )
    wrong = [phone for phone, negatives in expected.items() if shown.get(phone) != _label(negatives)]
    yield _none(f"10 every CRM card says what our rows say ({len(expected)})", list(wrong))
    total, ours = sum(_negatives(label) for label in shown.values()), sum(expected.values())
    figure = f"{total} negatives on {len(shown)} cards, {ours} of {len(expected)} customers in our rows"
    yield Finding("11 the CRM's totals are ours", figure, holds=total == ours and len(shown) == len(expected) > 0)
    yield _none("no customer has two CRM records", [phone for phone, times in phones.items() if times > 1])
    twice = stack.rows("SELECT key FROM crm_event GROUP BY 1 HAVING count(*) > 1")
    yield _none("no CRM note or task stands twice", len(twice))


def _label(negatives: int) -> str:
    return f"{negatives} negative message{'' if negatives == 1 else 's'} in last 30 days"


def _negatives(label: str | None) -> int:
    found = re.match(r"(\d+) negative", label or "")
    return int(found[1]) if found else 0


def _private(stack: RunningStack) -> Iterator[Finding]:
    received, logs = stack.received("anthropic"), stack.logs()
    shown = [secret for secret in PRIVATE if secret in received]
    yield Finding(
        "12 the model's provider is shown nothing private",
        f"{shown or 'nothing'} in {len(received)} characters",
        holds=not shown and "parcel" in received,
    )
    yield _none(
        f"no log holds anything private ({len(logs)} characters)", [secret for secret in PRIVATE if secret in logs]
    )


def _processes(stack: RunningStack) -> Iterator[Finding]:
    """A supervisor that gave a process up would look calm."""
    yield _none("every process runs", [group for group, pids in stack.info["pids"].items() if not pids])
