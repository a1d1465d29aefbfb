"""How far a tenant has come in being set up: what stands already, and what a person has settled or left out."""

from dataclasses import dataclass
from typing import Literal, get_args

from config.tenant import TenantConfig
from config.thresholds import Thresholds
from store.conversation_events import Actor
from store.db import Connection
from store.tenants import get_tenant_config

Step = Literal["industry", "topics", "channel", "crm", "thresholds"]
STEPS: tuple[Step, ...] = get_args(Step)


@dataclass(frozen=True)
class StepState:
    """One step. is_done: what it asks for stands, or a person has looked and said so."""

    step: Step
    is_done: bool
    is_skipped: bool


@dataclass(frozen=True)
class Onboarding:
    """In order. was_begun: somebody has settled a step here. has_message: a customer's message was read to the end."""

    steps: tuple[StepState, ...]
    was_begun: bool
    has_channel: bool
    has_message: bool

    @property
    def is_over(self) -> bool:
        """Every step is done or left out."""
        return all(one.is_done or one.is_skipped for one in self.steps)

    @property
    def settled(self) -> int:
        """How many are."""
        return sum(one.is_done or one.is_skipped for one in self.steps)

    @property
    def next_step(self) -> Step | None:
        """The first that is neither done nor left out."""
        return next((one.step for one in self.steps if not (one.is_done or one.is_skipped)), None)

    @property
    def is_worth_a_word(self) -> bool:
        """Who was set up from a file, and has a channel, needs no telling."""
        return not self.is_over and (self.was_begun or not self.has_channel)


def settle_step(
    conn: Connection, tenant_id: int, step: Step, *, settled_as: Literal["done", "skipped"], by: Actor
) -> None:
    """A person has settled it. What was done is not left out by a later look; a channel or a CRM may be gone meanwhile."""
    conn.execute(
        """
        INSERT INTO onboarding_step AS s (tenant_id, step, settled_as, by_user_id)
        VALUES (%s, %s, %s, %s)
        ON CONFLICT (tenant_id, step) DO UPDATE
            SET settled_as = EXCLUDED.settled_as, by_user_id = EXCLUDED.by_user_id, at = now()
            WHERE s.settled_as <> 'done' OR s.step IN ('channel', 'crm')
        """,
        (tenant_id, step, settled_as, by.user_id),
    )


def read_onboarding(conn: Connection, tenant_id: int) -> Onboarding:
    """Raises: StoreError when there is no such tenant."""
    config = get_tenant_config(conn, tenant_id)
    settled: dict[str, str] = dict(
        conn.execute("SELECT step, settled_as FROM onboarding_step WHERE tenant_id = %s", (tenant_id,)).fetchall()
    )
    row = conn.execute(
        """
        SELECT EXISTS (SELECT FROM channel_account WHERE tenant_id = %(tenant)s),
               EXISTS (SELECT FROM crm_connection WHERE tenant_id = %(tenant)s),
               EXISTS (SELECT FROM message_analysis WHERE tenant_id = %(tenant)s)
        """,
        {"tenant": tenant_id},
    ).fetchone()
    assert row is not None
    has_channel, has_crm, has_message = row
    stands = {
        "industry": _has_industry(config),
        "topics": bool(config.topics),
        "channel": has_channel,
        "crm": has_crm,
        "thresholds": config.thresholds != Thresholds(),
    }
    steps = tuple(
        StepState(
            step,
            # A channel or a CRM can be taken away again: what was said of it then counts no more.
            is_done=stands[step] or (settled.get(step) == "done" and step not in {"channel", "crm"}),
            is_skipped=settled.get(step) == "skipped" and not stands[step],
        )
        for step in STEPS
    )
    return Onboarding(steps, was_begun=bool(settled), has_channel=has_channel, has_message=has_message)


def _has_industry(config: TenantConfig) -> bool:
    return config.industry != "general"
