"""Signed bodies for tests."""

import hashlib
import hmac
import itertools
import json

_ids = itertools.count(1)


def signature(body: bytes, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def whatsapp_message(
    text="hello", *, sender="905551112233", message_id=None, timestamp="1790000000", name="Ada", **more
):
    item = {"from": sender, "id": message_id or f"wamid.T{next(_ids):08d}", "timestamp": timestamp, "type": "text"}
    return {**item, "text": {"body": text}, **more, "_name": name}


def whatsapp_body(*items, account="111000111", statuses=None) -> bytes:
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": account}}
    if items:
        value["contacts"] = [
            {"profile": {"name": item.get("_name", "Ada")}, "wa_id": item["from"]} for item in items if "from" in item
        ]
        value["messages"] = [{key: value for key, value in item.items() if key != "_name"} for item in items]
    if statuses:
        value["statuses"] = statuses
    payload = {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}],
    }
    return json.dumps(payload).encode()


def instagram_comment(
    text="nice", *, account="17841400000000111", sender="987654321", comment_id=None, media="REELS"
) -> bytes:
    value = {
        "id": comment_id or str(17900000000000000 + next(_ids)),
        "from": {"id": sender, "username": "ada.l"},
        "text": text,
        "media": {"id": "1", "media_product_type": media},
    }
    entry = {"id": account, "time": 1790000000, "changes": [{"field": "comments", "value": value}]}
    return json.dumps({"object": "instagram", "entry": [entry]}).encode()


def whatsapp_value(*, account="111000111", field="messages", **value) -> bytes:
    """A body with one change whose value holds these keys."""
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": account}, **value}
    change = {"field": field, "value": value}
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}).encode()


def whatsapp_edit(original_id, text, *, sender="905551112233", timestamp="1790000100", **more):
    content = {"type": "text", "text": {"body": text}}
    item = {"from": sender, "id": f"wamid.E{next(_ids):08d}", "timestamp": timestamp, "type": "edit", **more}
    return {**item, "edit": {"original_message_id": original_id, "message": content}}


def whatsapp_revocation(original_id, *, sender="905551112233", timestamp="1790000100"):
    item = {"from": sender, "id": f"wamid.R{next(_ids):08d}", "timestamp": timestamp, "type": "revoke"}
    return {**item, "revoke": {"original_message_id": original_id}}


def whatsapp_echo(text, *, to="905551112233", message_id=None, timestamp="1790000100", **more) -> bytes:
    """An answer typed in the WhatsApp Business app."""
    item = {"from": "15550000000", "to": to, "id": message_id or f"wamid.O{next(_ids):08d}", "timestamp": timestamp}
    item |= {"type": "text", "text": {"body": text}, **more}
    return whatsapp_value(field="smb_message_echoes", message_echoes=[item])


def instagram_event(event, *, account="17841400000000111", sender="987654321", timestamp=1790000000000, echo=False):
    """A body with one messaging event: {"message": …}, {"message_edit": …}, {"reaction": …} …"""
    sides = {"sender": {"id": sender}, "recipient": {"id": account}}
    if echo:
        sides = {"sender": {"id": account}, "recipient": {"id": sender}}
    entry = {"id": account, "time": timestamp, "messaging": [{**sides, "timestamp": timestamp, **event}]}
    return json.dumps({"object": "instagram", "entry": [entry]}).encode()
