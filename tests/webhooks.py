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
