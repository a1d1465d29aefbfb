"""A tenant with a CRM account of its own, and customers whose cards are due."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx2

from config.crm import CrmConfig
from store.crm_connections import apply_connection
from store.crm_events import NewEvent, add_event
from store.crm_states import mark_dirty
from store.runs import RunRef
from tests.crm_portals import PORTALS
from worker.crm_flush import flush_crm


@dataclass
class CrmDesk:
    """One tenant and its account at the stand-in of one CRM."""

    deps: object
    owner: object
    tenant_id: int
    url: str
    kind: str = "hubspot"
    settings: dict = field(default_factory=dict)

    def __post_init__(self):
        self.portal = PORTALS[self.kind](self.url)
        self.connect(**self.settings)

    def connect(self, **settings):
        """Apply the connection as a tenant file would."""
        config = CrmConfig(kind=self.kind, **self.portal.credentials, **settings)
        with self.deps.database.tenant_transaction(self.tenant_id) as conn:
            apply_connection(conn, self.tenant_id, config, keyring=self.deps.keyring)

    def customer(self, phone=None, *, negatives=1, sentiment="negative", days_ago=0):
        """A customer with that many analyzed messages; the card is due at once."""
        (customer,) = self.owner.execute(
            "INSERT INTO customer (tenant_id, display_name) VALUES (%s, 'Ada') RETURNING id::text", (self.tenant_id,)
        ).fetchone()
        if phone:
            self.owner.execute(
                """
                INSERT INTO customer_identity (tenant_id, customer_id, kind, value) VALUES (%s, %s, 'phone', %s)
                """,
                (self.tenant_id, customer, phone),
            )
        self.owner.execute(
            """
            INSERT INTO conversation (tenant_id, customer_id, channel, account_id, state, last_inbound_at)
            VALUES (%s, %s, 'whatsapp', '111000111', 'open', now())
            """,
            (self.tenant_id, customer),
        )
        for _ in range(negatives):
            self.message(customer, sentiment=sentiment, days_ago=days_ago)
        self.mark(customer)
        return customer

    def message(self, customer, *, sentiment="negative", days_ago=0):
        """An analyzed message of the customer; returns its id."""
        at = datetime.now(UTC) - timedelta(days=days_ago)
        (message_id,) = self.owner.execute(
            """
            WITH m AS (
                INSERT INTO message (tenant_id, channel, surface, account_id, provider_message_id, direction, message_type, sent_at,
                                     state, sender, customer_id, text)
                VALUES (%(tenant)s, 'whatsapp', 'dm', '111000111', gen_random_uuid()::text, 'inbound', 'text', %(at)s, 'done', '{}',
                        %(customer)s, 'words')
                RETURNING id
            )
            INSERT INTO message_analysis (tenant_id, message_id, run_id, run_kind, sentiment, score, summary, intent, topics,
                                          suggested_action, analyzer, model, prompt_version)
            SELECT %(tenant)s, id, gen_random_uuid(), 'initial', %(sentiment)s, 0.9, 'Late parcel', 'complaint', '{shipping}', 'none',
                   'stand-in', 'm', 'g1.s1'
            FROM m
            RETURNING message_id::text
            """,
            {"tenant": self.tenant_id, "at": at, "customer": customer, "sentiment": sentiment},
        ).fetchone()
        return message_id

    def mark(self, customer, *, because="message"):
        """The card is due now."""
        with self.deps.database.tenant_transaction(self.tenant_id) as conn:
            mark_dirty(conn, self.tenant_id, customer, because=because)
        self.due()

    def event(self, customer, *, kind="note", key="k", message_id=None, urgent=True):
        """A note or task for the customer."""
        (any_message,) = self.owner.execute("SELECT coalesce(%s::uuid, uuidv7())::text", (message_id,)).fetchone()
        new = NewEvent(
            kind=kind, key=key, subject="P1: angry", body="why", due_at=datetime.now(UTC), high_priority=urgent
        )
        with self.deps.database.tenant_transaction(self.tenant_id) as conn:
            add_event(conn, RunRef(self.tenant_id, any_message, any_message), new, customer_id=customer)

    def due(self):
        """Whatever waits for a time is due."""
        for table in ("crm_state", "crm_event", "crm_search", "crm_erasure"):
            self.owner.execute(
                f"UPDATE {table} SET next_at = now() - interval '1 second' WHERE tenant_id = %s", (self.tenant_id,)
            )
        self.owner.execute("UPDATE crm_connection SET held_until = NULL WHERE tenant_id = %s", (self.tenant_id,))

    def flush(self):
        """One turn."""
        flush_crm(self.deps, tenant_id=self.tenant_id)

    def conditions(self, **wanted):
        """How the stand-in behaves from now on."""
        httpx2.post(f"{self.url}/_conditions", json=wanted).raise_for_status()

    def connection(self, *columns):
        """Columns of the tenant's connection."""
        return self.owner.execute(
            f"SELECT {', '.join(columns)} FROM crm_connection WHERE tenant_id = %s", (self.tenant_id,)
        ).fetchone()

    def link(self, customer):
        """(record id, matched on), None when there is no link."""
        return self.owner.execute(
            "SELECT record_id, matched_on FROM crm_link WHERE customer_id = %s", (customer,)
        ).fetchone()

    def label(self, record_id):
        """What the card says."""
        return self.portal.card(record_id).get("earshot_label") or None
