"""What the tests of surveys share: asking a customer, and what they tap or type."""

from datetime import UTC, datetime

from store.customers import close_conversation, lock_conversation
from store.survey_invitations import plan_csat_invite
from tests.integration.passes import now, run_all
from tests.webhooks import instagram_event, whatsapp_body, whatsapp_message
from worker import delivery

PRAISE = "Thank you so much, this is wonderful"
QUESTION = "What are your opening hours on Sunday?"
CUSTOMER = "905551112233"


def seconds(offset=0):
    return str(int(datetime.now(UTC).timestamp()) + offset)


def deliver(deps, ref, action_ids):
    for action_id in action_ids:
        delivery.deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())


def configure(owner, deps, path, value, slug="acme"):
    owner.execute(
        "UPDATE tenant SET config = jsonb_set(config, %s, %s::jsonb, true), updated_at = now() WHERE slug = %s",
        (path, value, slug),
    )
    deps.tenants._cached.clear()


class Shop:
    """A shop and its customers at WhatsApp and Instagram."""

    def __init__(self, deps, receive, owner):
        self._deps, self._receive, self._owner = deps, receive, owner

    def write(self, text, *, at=0, sender=CUSTOMER, account="111000111", **more):
        """A WhatsApp message, through all stages and with its actions delivered; returns its run."""
        item = whatsapp_message(text, timestamp=seconds(at), sender=sender, **more)
        (ref,) = self._receive(whatsapp_body(item, account=account))
        return self.finish(ref)

    def tap(self, choice_id, title, *, kind="list_reply", at=0, sender=CUSTOMER, **more):
        """A tap on WhatsApp."""
        item = whatsapp_message("", timestamp=seconds(at), sender=sender, **more)
        del item["text"]
        item |= {"type": "interactive", "interactive": {"type": kind, kind: {"id": choice_id, "title": title}}}
        (ref,) = self._receive(whatsapp_body(item))
        return self.finish(ref)

    def write_on_instagram(self, text, *, mid, payload=None, at=0, sender="987654321"):
        """An Instagram message, with the payload of a quick reply when one was tapped."""
        message = {"mid": mid, "text": text} | ({"quick_reply": {"payload": payload}} if payload else {})
        (ref,) = self._receive(
            instagram_event({"message": message}, timestamp=int(seconds(at)) * 1000, sender=sender), kind="instagram"
        )
        return self.finish(ref)

    def finish(self, ref):
        deliver(self._deps, ref, run_all(self._deps, ref))
        return ref

    def resolve(self, ref):
        """A person answers and resolves the conversation of this message; returns the invitation's action, None without one."""
        tenant = self._deps.tenants.get(ref.tenant_id)
        with self._deps.database.tenant_transaction(ref.tenant_id) as conn:
            (conversation_id,) = conn.execute(
                "SELECT conversation_id::text FROM message WHERE id = %s", (ref.message_id,)
            ).fetchone()
            lock_conversation(conn, conversation_id)
            conn.execute(
                "UPDATE conversation SET taken_over = true, last_human_answer_at = now() - interval '1 second' WHERE id = %s",
                (conversation_id,),
            )
            close_conversation(conn, conversation_id)
            action_id = plan_csat_invite(conn, ref.tenant_id, conversation_id, tenant=tenant)
        if action_id:
            deliver(self._deps, ref, [action_id])
        return action_id

    def decision(self, ref):
        """(priority, queue, rule) of the message."""
        return self._owner.execute(
            "SELECT priority, queue, rule FROM routing_decision WHERE message_id = %s ORDER BY id DESC LIMIT 1",
            (ref.message_id,),
        ).fetchone()

    def answers(self):
        """(survey, score, has_comment) of every answer, oldest first by the provider's time."""
        return self._owner.execute(
            "SELECT survey, score, has_comment FROM survey_answer ORDER BY sent_at, message_id"
        ).fetchall()

    def actions(self, kind):
        """The states of all actions of a kind, oldest first."""
        rows = self._owner.execute("SELECT state FROM action WHERE kind = %s ORDER BY id", (kind,)).fetchall()
        return [state for (state,) in rows]
