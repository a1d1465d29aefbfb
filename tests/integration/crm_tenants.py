"""Tenants with a CRM of any kind, customers with labels, and accounts at the stand-ins that hold their contacts."""

import itertools

from config.tenant_file import parse_tenant_file
from store.tenants import apply_tenant
from tests.crm_portals.salesforce import DATA

TENANT = """
slug = "{slug}"
name = "{slug}"
industry = "ecommerce"
default_region = "TR"
[[channels]]
kind = "whatsapp"
account_id = "{account}"
app_secret = "acme-secret"
verify_token = "acme-verify"
access_token = "acme-token"
[crm]
kind = "{kind}"
create_contacts = {create}
{more}
{credentials}
"""
_accounts = itertools.count(700_000_001)


def tenant_file(slug, kind, credentials, *, account=None, create_contacts=False, more=""):
    """A tenant's file."""
    return TENANT.format(
        slug=slug,
        account=account or next(_accounts),
        kind=kind,
        create=str(create_contacts).lower(),
        more=more,
        credentials="\n".join(f'{name} = "{value}"' for name, value in credentials.items()),
    )


def add_tenant(database, keyring, slug, kind, credentials, **more):
    """Returns the tenant's id."""
    config = parse_tenant_file(tenant_file(slug, kind, credentials, **more), source="test", environ={})
    with database.system_transaction() as conn:
        return apply_tenant(conn, config, keyring=keyring)


def add_labelled_customers(owner, tenant_id, *, count):
    """Customers with one judged message each, half of them negative; returns their ids."""
    people = [
        row[0]
        for row in owner.execute(
            "INSERT INTO customer (tenant_id) SELECT %s FROM generate_series(1, %s) RETURNING id::text",
            (tenant_id, count),
        ).fetchall()
    ]
    owner.execute(
        """
        INSERT INTO conversation (tenant_id, customer_id, channel, account_id)
        SELECT %s, id, 'whatsapp', '1' FROM unnest(%s::uuid[]) AS given (id)
        """,
        (tenant_id, people),
    )
    add_messages(owner, tenant_id, people)
    return people


def add_messages(owner, tenant_id, people, *, sentiment=None):
    """One more judged message for each of the customers. sentiment: None: negative and neutral by turns."""
    owner.execute(
        """
        WITH said AS (
            INSERT INTO message (
                tenant_id, conversation_id, customer_id, channel, surface, account_id, provider_message_id, direction,
                message_type, text, sent_at, state, sender
            )
            SELECT c.tenant_id, c.id, c.customer_id, 'whatsapp', 'dm', '1', 'wamid.V' || gen_random_uuid(), 'inbound', 'text', 'x',
                   clock_timestamp(), 'done', '{}'
            FROM conversation AS c WHERE c.customer_id = ANY(%s::uuid[])
            RETURNING id, tenant_id
        ), key AS (
            INSERT INTO analysis_key (message_id, run_id, tenant_id, analysis_id)
            SELECT id, uuidv7(), tenant_id, uuidv7() FROM said
            RETURNING *
        )
        INSERT INTO message_analysis (
            id, tenant_id, message_id, run_id, run_kind, sentiment, score, summary, intent, topics, suggested_action, analyzer, model,
            prompt_version
        )
        SELECT analysis_id, tenant_id, message_id, run_id, 'initial',
               coalesce(%s, CASE WHEN row_number() OVER () %% 2 = 0 THEN 'negative' ELSE 'neutral' END),
               0.9, 'Writes about shipping.', 'other', '{shipping}', 'none', 'stand-in', 'claude-haiku-5-5', 'g0.s1'
        FROM key
        """,
        (people, sentiment),
    )


def link(owner, tenant_id, records):
    """Customer to record id."""
    owner.execute(
        """
        INSERT INTO crm_link (customer_id, tenant_id, record_id, linked_because, matched_on)
        SELECT customer_id, %s, record_id, 'phone', 'phone'
        FROM unnest(%s::uuid[], %s::text[]) AS given (customer_id, record_id)
        """,
        (tenant_id, list(records), list(records.values())),
    )


def make_dirty(owner, people):
    """As if each had written: due now."""
    owner.execute(
        """
        INSERT INTO crm_state AS s (customer_id, tenant_id, next_at)
        SELECT id, tenant_id, now() FROM customer WHERE id = ANY(%s::uuid[])
        ON CONFLICT (customer_id) DO UPDATE SET version = s.version + 1, next_at = now()
        """,
        (people,),
    )


def count_dirty(owner, tenant_id):
    """Cards that wait."""
    query = "SELECT count(*) FROM crm_state WHERE tenant_id = %s AND version > written_version"
    return owner.execute(query, (tenant_id,)).fetchone()[0]


def fill(kind, portal, *, count):
    """Make so many contacts at the account with as few requests as its API takes; returns their ids."""
    return [one for start in range(0, count, 100) for one in _FILL[kind](portal, min(100, count - start))]


def _fill_hubspot(portal, count):
    inputs = [{"properties": {"firstname": "Ada"}, "associations": []}] * count
    answer = portal.post("/crm/objects/2026-09/contacts/batch/create", {"inputs": inputs})
    return [one["id"] for one in answer["results"]]


def _fill_salesforce(portal, count):
    new = [{"attributes": {"type": "Contact"}, "LastName": "Ada"}] * count
    answer = portal.http.post(f"{DATA}/composite/sobjects", json={"allOrNone": False, "records": new})
    return [one["id"] for one in answer.raise_for_status().json()]


def _fill_zoho(portal, count):
    answer = portal.post("Contacts", {"data": [{"Last_Name": "Ada"}] * count, "trigger": []})
    return [one["details"]["id"] for one in answer["data"]]


def _fill_pipedrive(portal, count):
    return [str(portal.post("/api/v2/persons", {"name": "Ada"})["id"]) for _ in range(count)]


_FILL = {
    "hubspot": _fill_hubspot,
    "salesforce": _fill_salesforce,
    "zoho": _fill_zoho,
    "pipedrive": _fill_pipedrive,
}
