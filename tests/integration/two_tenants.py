"""One of everything in a tenant, with words in it by which a leak shows."""

import re
from uuid import uuid4

from config.webhook_subscriptions import read_subscription
from store.one_time_links import make_link
from store.webhook_deliveries import add_test
from store.webhook_subscriptions import add_subscription
from tests.integration.workplace import add_action, add_agent, add_clock, add_conversation, add_person

KINDS = (
    "conversation", "action", "reply", "alert", "decision", "agent", "customer", "message", "egress", "sweep", "key", "webhook", "delivery", "account", "target", "errand",
    "trial", "check", "token", "invitation", "erasure",
)  # fmt: skip
ROLES = ("agent", "supervisor", "admin", "auditor")
RANDOM = {
    **{kind: str(uuid4()) for kind in KINDS},
    "agent": "987654",
    "key": "987654",
    "account": "999000999",
    "target": "nobody",
}
MALFORMED = dict.fromkeys(KINDS, "1;DROP")


def marks(slug):
    """What stands in this tenant's rows and must be seen nowhere else: a customer's name, their words, what left, our answer."""
    return tuple(f"{what}-of-{slug}" for what in ("Name", "Words", "Left", "Answer", "Summary"))


def fill(owner, tenant_id, slug):
    """Ids by kind. agent: a person of the role agent."""
    name, words, left, our_answer, summary = marks(slug)
    # The accounts of the two tenants in tests/conftest.py.
    account = {"acme": "111000111", "other": "222000222"}[slug]
    conversation = add_conversation(owner, tenant_id, account_id=account)
    (customer,) = owner.execute(
        """
        UPDATE customer SET display_name = %s
        FROM conversation WHERE conversation.id = %s AND customer.id = customer_id RETURNING customer.id::text
        """,
        (name, conversation),
    ).fetchone()
    message = _add_message(owner, tenant_id, conversation, customer, words=words, summary=summary)
    ids = {
        "conversation": conversation,
        "customer": customer,
        "message": message,
        "action": add_action(owner, tenant_id, conversation),
        "reply": _add_reply(owner, tenant_id, conversation, text=our_answer),
        "agent": str(add_agent(owner, tenant_id, email=f"{slug}@example.com")),
    }
    add_clock(owner, tenant_id, conversation, due_in_min=30)
    ids["alert"] = _one(
        owner,
        "INSERT INTO alert (tenant_id, kind, key, conversation_id) VALUES (%s, 'needs_person', 'x', %s) RETURNING id::text",
        (tenant_id, conversation),
    )
    ids["decision"] = _one(
        owner,
        """
        INSERT INTO routing_decision (tenant_id, message_id, run_id, priority, queue, rule, reasons, inputs, applied)
        VALUES (%s, %s, %s, 'P2', 'support', 'default', '{}', '{}', true)
        RETURNING id::text
        """,
        (tenant_id, message, uuid4()),
    )
    ids["egress"] = _one(
        owner,
        """
        INSERT INTO egress (tenant_id, message_id, run_id, provider, model, prompt_version, prompt_hash, minimized_text, outcome,
                            input_tokens, output_tokens, cost_microusd)
        VALUES (%s, %s, uuidv7(), 'anthropic', 'claude-haiku-5-5', 'g1.s1', 'abcdef', %s, 'answered', 100, 20, 250)
        RETURNING id::text
        """,
        (tenant_id, message, left),
    )
    owner.execute(
        """
        INSERT INTO run (tenant_id, message_id, kind, state, error_code) VALUES (%s, %s, 'reanalyze', 'dead', 'too_many_crashes')
        """,
        (tenant_id, message),
    )
    ids["sweep"] = _one(
        owner,
        """
        INSERT INTO sweep (tenant_id, period, days, max_customers, budget_microusd, uses_batches, needs_approval, messages, customers,
                           estimated_microusd, estimated_s, state)
        VALUES (%s, '2026-01', 30, 10, 1000, false, false, 1, 1, 10, 10, 'done')
        RETURNING id::text
        """,
        (tenant_id,),
    )
    ids["key"] = str(
        owner.execute(
            "INSERT INTO api_key (tenant_id, name, key_hash, role) VALUES (%s, %s, %s, 'agent') RETURNING id",
            (tenant_id, f"key-of-{slug}", uuid4().bytes),
        ).fetchone()[0]
    )
    _add_crm(owner, tenant_id, customer)
    ids["account"] = account
    ids["target"] = f"{slug}-desk"
    owner.execute(
        "INSERT INTO alert_target (tenant_id, name, service, url, config) VALUES (%s, %s, 'slack', '', '{}')",
        (tenant_id, ids["target"]),
    )
    ids["erasure"] = _one(
        owner,
        "INSERT INTO customer_erasure (tenant_id, state, finished_at) VALUES (%s, 'done', now()) RETURNING id::text",
        (tenant_id,),
    )
    ids["errand"] = _one(
        owner, "INSERT INTO errand (tenant_id, kind, input) VALUES (%s, 'crm', '{}') RETURNING id::text", (tenant_id,)
    )
    return ids


def add_webhook(database, tenant_id, *, keyring):
    """A subscription and one delivery of it, by kind; and credentials that can be opened for the CRM."""
    wanted = read_subscription(
        url="https://hooks.example.com/in",
        kinds=["alert.over"],
        description="",
        include_text=False,
        allow_private=False,
    )
    with database.tenant_transaction(tenant_id) as conn:
        sealed = keyring.encrypt(b'{"token": "x"}', tenant_id=tenant_id, table="crm_connection", column="credentials")
        conn.execute("UPDATE crm_connection SET credentials = %s WHERE tenant_id = %s", (sealed, tenant_id))
        webhook, _ = add_subscription(conn, tenant_id, wanted, keyring=keyring, by=None)
        return {"webhook": webhook, "delivery": add_test(conn, tenant_id, webhook, by=None)}


def add_links(owner, tenant_id, slug):
    """One-time links of people who are nobody else, by kind. token: to choose a password. invitation: to take on a role."""
    kinds = {"token": "password", "invitation": "join"}
    people = {kind: add_person(owner, tenant_id, email=f"{slug}-{kind}@example.com") for kind in kinds}
    return {
        kind: make_link(owner, tenant_id=tenant_id, user_id=people[kind], purpose=purpose)
        for kind, purpose in kinds.items()
    }


def _one(owner, query, parameters):
    return owner.execute(query, parameters).fetchone()[0]


def _add_message(owner, tenant_id, conversation, customer, *, words, summary):
    message = _one(
        owner,
        """
        INSERT INTO message (tenant_id, conversation_id, customer_id, channel, surface, account_id, provider_message_id, direction,
                             message_type, text, minimized_text, sent_at, state, sender)
        VALUES (%(tenant)s, %(conversation)s, %(customer)s, 'whatsapp', 'dm',
                (SELECT account_id FROM channel_account WHERE tenant_id = %(tenant)s AND kind = 'whatsapp'),
                gen_random_uuid()::text, 'inbound', 'text', %(words)s, 'x', now(), 'done', '{}')
        RETURNING id::text
        """,
        {"tenant": tenant_id, "conversation": conversation, "customer": customer, "words": words},
    )
    owner.execute(
        """
        INSERT INTO message_analysis (tenant_id, message_id, run_id, run_kind, sentiment, score, summary, intent, topics,
                                      suggested_action, analyzer, model, prompt_version, language)
        VALUES (%s, %s, uuidv7(), 'initial', 'negative', 0.9, %s, 'complaint', '{delivery}', 'none', 'stand-in', 'm', 'g1.s1', 'en')
        """,
        (tenant_id, message, summary),
    )
    return message


def _add_reply(owner, tenant_id, conversation, *, text):
    reply = add_action(owner, tenant_id, conversation, kind="reply", needs_approval=False)
    owner.execute("UPDATE action SET sent_text = %s, form = 'text' WHERE id = %s", (text, reply))
    return reply


def _add_crm(owner, tenant_id, customer):
    owner.execute(
        "INSERT INTO crm_connection (tenant_id, kind, credentials, config) VALUES (%s, 'hubspot', '', '{}') "
        "ON CONFLICT DO NOTHING",
        (tenant_id,),
    )
    owner.execute(
        "INSERT INTO tenant_version (tenant_id, version, config, changed, changed_in) "
        "SELECT id, 1, config, '[]', 'file' FROM tenant WHERE id = %s",
        (tenant_id,),
    )
    owner.execute(
        "INSERT INTO crm_write (tenant_id, customer_id, record_id, because, version, fields) "
        "VALUES (%s, %s, '1', 'message', 1, '{}')",
        (tenant_id, customer),
    )


def stand_as_before(owner, *, uncertain=False):
    """What one caller did must not decide what the next one may."""
    owner.execute("UPDATE conversation SET assignee_id = NULL, state = 'open', queue = 'support', snoozed_until = NULL")
    owner.execute("DELETE FROM crm_link")
    owner.execute(
        "INSERT INTO crm_search (customer_id, tenant_id, outcome) SELECT id, tenant_id, 'ambiguous' FROM customer "
        "ON CONFLICT (customer_id) DO UPDATE SET outcome = 'ambiguous'"
    )
    state = "uncertain" if uncertain else "pending"
    owner.execute("UPDATE action SET state = %s, needs_approval = kind <> 'reply', approved_at = NULL", (state,))


def fill_path(path, ids):
    """A route's path with the ids of the things it names."""
    named = {
        "conversation_id": "conversation", "alert_id": "alert", "decision_id": "decision", "action_id": "action", "reply_id": "reply",
        "user_id": "agent", "customer_id": "customer", "message_id": "message", "egress_id": "egress", "sweep_id": "sweep",
        "key_id": "key", "webhook_id": "webhook", "delivery_id": "delivery", "account_id": "account", "errand_id": "errand", "erasure_id": "erasure",
        "trial_id": "check" if "/examples/" in path else "trial", "token": "invitation" if path.endswith("/join") else "token",
    }  # fmt: skip
    for converter, name in re.findall(r"<(\w+:)?(\w+)>", path):
        if name in named:
            path = path.replace(f"<{converter}{name}>", ids[named[name]])
    path = path.replace("<version>", "1").replace("<int:version>", "1").replace("actions/<kind>", "actions/webhook")
    # A rule that neither tenant has.
    path = path.replace("settings/<name>", "settings/thresholds").replace("rules/<name>", "rules/no_such")
    path = path.replace("<queue>", "support").replace("<kind>", "whatsapp").replace("<name>.csv", "topics.csv")
    return path.replace("<name>", ids["target"])
