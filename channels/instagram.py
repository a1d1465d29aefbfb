"""Instagram webhooks: direct messages, story replies and mentions, comments, edits, unsends, reactions; three entry shapes.

Shapes: Meta's Instagram webhook reference and real deliveries of Graph API v24 to v26.
"""

import re
from collections import Counter
from datetime import datetime
from typing import Any

from channels.base import (
    AdTwin,
    Identity,
    InboundMessage,
    MessageEdit,
    MessageErasure,
    ParsedWebhook,
    Reaction,
    Surface,
)
from channels.reading import (
    as_emoji,
    as_id,
    as_object,
    as_objects,
    as_raw,
    as_text,
    as_time,
    as_username,
    as_word,
    list_items,
)

OBJECT = "instagram"
_ENTRY_ID = re.compile(rb'"id"\s*:\s*"?(\d{1,32})')
_COMMENT_FIELDS = ("comments", "live_comments")
# The dashboard's test button and Instagram Login wrap messaging events into changes of these fields.
_EVENT_FIELDS = (
    "messages",
    "message_echoes",
    "message_edit",
    "message_edits",
    "message_reactions",
    "messaging_handover",
    "messaging_optins",
    "messaging_postbacks",
    "messaging_referral",
    "messaging_seen",
    "standby",
)
# Only these are counted by name: a reason is a metric's label, and a tenant that makes up names must not fill the
# receiver's memory.
_OTHER_FIELDS = ("mentions", "story_insights", "comment_poll_response", "follow", "story_reactions")
_NOT_MESSAGES = (
    "read",
    "delivery",
    "referral",
    "optin",
    "pass_thread_control",
    "take_thread_control",
    "request_thread_control",
    "app_roles",
)


def account_hints(body: bytes) -> set[str]:
    """Account ids that the unverified bytes seem to name."""
    return {match.decode() for match in _ENTRY_ID.findall(body[: 64 * 1024])}


def parse(payload: Any) -> ParsedWebhook:
    """Everything in the body, in order. One odd item never stops its neighbours."""
    collector = _Collector()
    collector.read_body(payload)
    return collector.collected()


def _surface_of_message(message: dict[str, Any]) -> Surface:
    if as_object(as_object(message.get("reply_to")).get("story")):
        return "story_reply"
    attachments = as_objects(message.get("attachments"))
    return "story_mention" if any(one.get("type") == "story_mention" for one in attachments) else "dm"


def _surface_of_comment(value: dict[str, Any], *, field: str) -> Surface:
    product = as_object(value.get("media")).get("media_product_type")
    if field == "live_comments" or product == "LIVE":
        return "live_comment"
    return "reel_comment" if product == "REELS" else "comment"


def _type_of_message(message: dict[str, Any]) -> str:
    if as_text(message.get("text")):
        return "text"
    attachment = next(as_objects(message.get("attachments")), {})
    return as_word(attachment.get("type"), otherwise="unsupported")


def _answered_comment(value: dict[str, Any]) -> str | None:
    """The comment this one answers. At the top level Meta may name the media itself as the parent."""
    parent_id = as_id(value.get("parent_id"))
    return None if parent_id == as_id(as_object(value.get("media")).get("id")) else parent_id


def _ad_twin(value: dict[str, Any], *, writer: str, text: str | None) -> AdTwin | None:
    """What this comment has in common with the second delivery that Meta may make for a boosted post."""
    media = as_object(value.get("media"))
    post_id = as_id(media.get("original_media_id")) or as_id(media.get("id"))
    if post_id is None:
        return None
    return AdTwin(
        f"{post_id}:{writer}:{text or ''}", from_ad=bool(media.get("original_media_id") or media.get("ad_id"))
    )


def _postback_id(postback: dict[str, Any], *, customer_id: str, at: datetime | None) -> str | None:
    """Who pressed what and when: a postback may come without an id of its own.

    None without a time, else a button could be pressed only once.
    """
    if at is None:
        return None
    return f"postback:{customer_id}:{at.timestamp():.3f}:{as_id(postback.get('payload')) or ''}"


class _Collector:
    """Gathers what one body holds."""

    def __init__(self) -> None:
        self._messages: list[InboundMessage] = []
        self._edits: list[MessageEdit] = []
        self._erasures: list[MessageErasure] = []
        self._reactions: list[Reaction] = []
        self._dropped: Counter[str] = Counter()

    def collected(self) -> ParsedWebhook:
        return ParsedWebhook(
            messages=tuple(self._messages),
            edits=tuple(self._edits),
            erasures=tuple(self._erasures),
            reactions=tuple(self._reactions),
            dropped=dict(self._dropped),
        )

    def read_body(self, payload: Any) -> None:
        if isinstance(payload, list) and payload:  # as Meta's pages show their samples
            for body in list_items(payload, dropped=self._dropped):
                self.read_body(body)
            return
        body = as_object(payload)
        if not body or body.get("object", OBJECT) != OBJECT:
            self._dropped["unknown_object" if body else "bad_item"] += 1
            return
        for entry in list_items(body.get("entry"), dropped=self._dropped):
            self._read_entry(entry)

    def _read_entry(self, entry: dict[str, Any]) -> None:
        account_id, entry_time = as_id(entry.get("id")), as_time(entry.get("time"))
        if account_id is None:
            self._dropped["no_account"] += 1
            return
        for key in ("messaging", "standby"):
            for event in list_items(entry.get(key), dropped=self._dropped):
                self._read_event(event, account_id=account_id, entry_time=entry_time)
        for change in list_items(entry.get("changes"), dropped=self._dropped):
            self._read_change(change, account_id=account_id, entry_time=entry_time)
        if "field" in entry:  # the flat shape of Instagram Login's documentation
            self._read_change(entry, account_id=account_id, entry_time=entry_time)

    def _read_change(self, change: dict[str, Any], *, account_id: str, entry_time: datetime | None) -> None:
        field = as_word(change.get("field"), otherwise="other")
        if field in _COMMENT_FIELDS:
            for value in list_items(change.get("value"), dropped=self._dropped):
                self._read_comment(value, field=field, account_id=account_id, entry_time=entry_time)
        elif field in _EVENT_FIELDS:
            for value in list_items(change.get("value"), dropped=self._dropped):
                self._read_event(value, account_id=account_id, entry_time=entry_time)
        else:
            self._dropped[f"unknown_field:{field if field in _OTHER_FIELDS else 'other'}"] += 1

    def _read_comment(self, value: dict[str, Any], *, field: str, account_id: str, entry_time: datetime | None) -> None:
        comment_id = as_id(value.get("id")) or as_id(value.get("comment_id"))
        sender = as_object(value.get("from"))
        username = as_username(sender.get("username") or value.get("username"))
        sender_id = as_id(sender.get("id"))
        if comment_id is None:
            self._dropped["no_id"] += 1
            return
        if sender_id == account_id:  # our own replies come back
            self._dropped["own_comment"] += 1
            return
        text = as_text(value.get("text"))
        if sender_id is None and username is None and text is None:
            self._dropped["no_sender"] += 1
            return
        self._messages.append(
            InboundMessage(
                channel="instagram",
                account_id=account_id,
                provider_message_id=comment_id,
                key_source=f"comment:{comment_id}",
                direction="inbound",
                surface=_surface_of_comment(value, field=field),
                message_type="text" if text else "unsupported",
                # Nobody may be named: an app without full access sees the words alone.
                identities=_sender_identities(sender_id, username),
                # Comments have no time of their own; the entry's is when Meta sent it.
                sent_at=as_time(value.get("timestamp")) or entry_time,
                text=text,
                raw=as_raw(value),
                display_name=as_text(sender.get("username")),
                reply_to_provider_id=_answered_comment(value),
                ad_twin=_ad_twin(value, writer=sender_id or username or "", text=text),
            )
        )

    def _read_event(self, event: dict[str, Any], *, account_id: str, entry_time: datetime | None) -> None:
        kinds = ("message", "message_edit", "reaction", "postback")
        kind = next((name for name in kinds if as_object(event.get(name))), None)
        if kind is None:
            self._dropped[next((name for name in _NOT_MESSAGES if name in event), "unknown_event")] += 1
            return
        content = as_object(event[kind])
        sender_id, recipient_id = (as_id(as_object(event.get(side)).get("id")) for side in ("sender", "recipient"))
        is_echo = content.get("is_echo") is True or (sender_id == account_id and kind != "postback")
        customer_id = recipient_id if is_echo else sender_id
        is_self = content.get("is_self") is True or event.get("is_self") is True
        if customer_id == account_id or (is_self and not is_echo):
            self._dropped["self_message"] += 1
            return
        about_another = kind == "message_edit" or content.get("is_deleted") is True
        has_words = kind == "message" and as_text(content.get("text")) is not None
        # The words of somebody who is not named are words too.
        if customer_id is None and not about_another and (is_echo or not has_words):
            self._dropped["no_sender"] += 1
            return
        at = as_time(event.get("timestamp"))
        if customer_id is not None and kind == "postback":
            self._add_postback(event, content, account_id=account_id, customer_id=customer_id, at=at or entry_time)
        elif customer_id is not None and kind == "reaction":
            self._add_reaction(content, account_id=account_id, customer_id=customer_id, by_business=is_echo, at=at)
        else:
            self._add_message(event, kind, account_id=account_id, customer_id=customer_id, is_echo=is_echo)

    def _add_message(
        self, event: dict[str, Any], kind: str, *, account_id: str, customer_id: str | None, is_echo: bool
    ) -> None:
        """kind: "message", or "message_edit" for the newer words of one. customer_id: None when nobody is named."""
        content = as_object(event[kind])
        provider_id, text = as_id(content.get("mid")), as_text(content.get("text"))
        if provider_id is None or (kind == "message_edit" and text is None):
            # Meta announces edits without their words too: no reason to forget the old ones.
            self._dropped["no_id" if provider_id is None else "edit_without_content"] += 1
            return
        is_deleted = content.get("is_deleted") is True
        sent_at = as_time(event.get("timestamp"))
        message = InboundMessage(
            channel="instagram",
            account_id=account_id,
            provider_message_id=provider_id,
            key_source=provider_id,
            direction="outbound" if is_echo else "inbound",
            surface=_surface_of_message(content),
            message_type="unsupported" if is_deleted else _type_of_message(content),
            identities=_sender_identities(customer_id, None),
            sent_at=sent_at,
            # A shared post's caption stands in its attachment: not the customer's words, and never read.
            text=None if is_deleted else text,
            raw=as_raw(event),
            reply_to_provider_id=as_id(as_object(content.get("reply_to")).get("mid")),
            author="human" if is_echo else "customer",
            choice_id=as_id(as_object(content.get("quick_reply")).get("payload")),
        )
        if is_deleted:
            self._erasures.append(MessageErasure(message))
        elif kind == "message_edit":
            self._edits.append(MessageEdit(message, edited_at=sent_at))
        else:
            self._messages.append(message)

    def _add_reaction(
        self,
        content: dict[str, Any],
        *,
        account_id: str,
        customer_id: str,
        by_business: bool,
        at: datetime | None,
    ) -> None:
        target = as_id(content.get("mid"))
        if target is None:
            self._dropped["no_id"] += 1
            return
        taken_back = content.get("action") == "unreact"
        self._reactions.append(
            Reaction(
                channel="instagram",
                account_id=account_id,
                target_source=target,
                actor="business" if by_business else customer_id,
                by_business=by_business,
                emoji=None if taken_back else as_emoji(content.get("emoji")) or as_emoji(content.get("reaction")),
                reacted_at=at,
            )
        )

    def _add_postback(
        self, event: dict[str, Any], postback: dict[str, Any], *, account_id: str, customer_id: str, at: datetime | None
    ) -> None:
        provider_id = as_id(postback.get("mid")) or _postback_id(postback, customer_id=customer_id, at=at)
        if provider_id is None:
            self._dropped["no_id"] += 1
            return
        self._messages.append(
            InboundMessage(
                channel="instagram",
                account_id=account_id,
                provider_message_id=provider_id,
                key_source=provider_id,
                direction="inbound",
                surface="dm",
                message_type="postback",
                identities=(Identity("igsid", customer_id),),
                sent_at=at,
                text=as_text(postback.get("title")),  # what the customer chose
                raw=as_raw(event),
                choice_id=as_id(postback.get("payload")),
            )
        )


def _sender_identities(sender_id: str | None, username: str | None) -> tuple[Identity, ...]:
    found: list[Identity] = []
    if sender_id:
        found.append(Identity("igsid", sender_id))
    if username:
        found.append(Identity("username", username))
    return tuple(found)
