"""What people say about labels, the same for pages and programs: judging the weekly sample, and having messages read again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from config.industries import load_industry
from config.tenant import TenantConfig
from console.api.problems import Problem
from routing.work_rights import Role
from store.audit_log import note_deed
from store.conversation_events import Actor
from store.corrections import check_value
from store.db import Connection
from store.effective_labels import find_effective_label
from store.reanalysis import add_reanalyses
from store.sample_desk import SampledMessage, find_sampled, lock_sampled
from worker.audits import judge

MAY_CORRECT = frozenset[Role]({"agent", "supervisor", "admin"})
MAY_REANALYZE = frozenset[Role]({"supervisor", "admin"})
FIELDS = ("sentiment", "intent", "topics")


@dataclass(frozen=True)
class Saying:
    """What a person says of a sampled message; None: what stands is right. seen_judged_at: of the judgement they have seen."""

    sentiment: str | None = None
    intent: str | None = None
    topics: Sequence[str] | None = None
    seen_judged_at: datetime | None = None


def topics_of(tenant: TenantConfig) -> list[str]:
    """All names that a label may hold."""
    return sorted({**load_industry(tenant.industry).all_topics(), **tenant.topics})


def judge_sampled(
    conn: Connection, tenant_id: int, message_id: str, said: Saying, *, tenant: TenantConfig, by: Actor
) -> tuple[SampledMessage, tuple[str, ...]]:
    """Settle one message of the sample; what differs from the label becomes a correction. Returns it, and where the model was wrong.

    Raises: Problem when a colleague has judged it meanwhile, or it cannot be judged; CorrectionError for a value that cannot be.
    """
    judged_at = lock_sampled(conn, tenant_id, message_id)
    sampled = find_sampled(conn, tenant_id, message_id)
    if sampled is None:
        raise Problem(404, "not_found", fix="use the id of a message in a sample of this tenant")
    if sampled.text is None:
        raise Problem(
            409, "erased", fix="its words were taken back, so nobody can judge it any more: take the next one"
        )
    if judged_at is not None and judged_at != said.seen_judged_at:
        fix = "a colleague has judged it meanwhile: read what they said, and judge it again if it is wrong"
        raise Problem(409, "judged_meanwhile", fix=fix, judged_at=judged_at.isoformat())
    label = find_effective_label(conn, message_id)
    names, wanted = tuple(topics_of(tenant)), dict[str, str]()
    for name in FIELDS:
        value = getattr(said, name)
        checked = None if value is None else check_value(name, value, topics=names)
        # What stands already needs no correction of its own.
        if checked is not None and (label is None or _differs(name, checked, label.value_of(name))):
            wanted[name] = checked
    wrong = judge(conn, tenant_id, tenant=tenant, message_id=message_id, by=by.user_id, **wanted)
    found = find_sampled(conn, tenant_id, message_id)
    assert found is not None
    return found, wrong


def _differs(name: str, value: str, stands: str) -> bool:
    return set(value.split(",")) != set(stands.split(",")) if name == "topics" else value != stands


@dataclass(frozen=True)
class Begun:
    """Messages that are read again from now on, and how many were being read already."""

    message_ids: list[str]
    under_way: int


def reanalyze(conn: Connection, tenant_id: int, message_ids: Sequence[str], *, until_now: bool, by: Actor) -> Begun:
    """Have messages judged again. Pressing twice is one pass. Raises: Problem when there is nothing to read in any of them."""
    begun, under_way = add_reanalyses(conn, tenant_id, message_ids, until_now=until_now)
    if not begun and not under_way:
        raise Problem(
            409, "nothing_to_read", fix="none of these is a message of a customer of this tenant with words in it"
        )
    if begun:
        details = {"message_ids": [one.message_id for one in begun]}
        note_deed(conn, tenant_id, by=by, deed="reanalysis_started", details=details)
    return Begun([one.message_id for one in begun], under_way)
