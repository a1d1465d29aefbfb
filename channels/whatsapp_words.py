"""Where the customer's own words are in a WhatsApp message, and only those."""

import json
from typing import Any

from channels.reading import as_object, as_text, as_word

_MEDIA_WITH_CAPTION = ("image", "video", "document")
_WITH_WORDS = ("text", *_MEDIA_WITH_CAPTION, "button", "order", "interactive")


def message_type(item: dict[str, Any]) -> str:
    """The provider's type; of a message that names none, the content it holds."""
    if "type" in item:
        return as_word(item["type"], otherwise="unknown")
    return next((kind for kind in _WITH_WORDS if kind in item), "unknown")


def message_text(item: dict[str, Any]) -> str | None:
    """The words of one message; None when it has none (voice, sticker, location, contact card …)."""
    kind = message_type(item)
    content = as_object(item.get(kind))
    if kind == "text":
        return as_text(content.get("body"))
    if kind in _MEDIA_WITH_CAPTION:
        caption = as_text(content.get("caption"))
        # Many clients send a document's file name as its caption.
        return None if caption is not None and caption == content.get("filename") else caption
    if kind in {"button", "order"}:
        return as_text(content.get("text"))
    return _interactive_text(content) if kind == "interactive" else None


def _interactive_text(content: dict[str, Any]) -> str | None:
    """The title a customer chose, or the words typed into a form; the form's own body is always "Sent"."""
    for key in ("button_reply", "list_reply"):
        reply = as_object(content.get(key))
        if reply:
            return as_text(reply.get("title"))
    form = as_object(content.get("nfm_reply")).get("response_json")
    if not isinstance(form, str):
        return None
    try:
        answers = as_object(json.loads(form))
    except (ValueError, RecursionError):
        return None
    words = [
        value for key, value in answers.items() if isinstance(value, str) and value.strip() and key != "flow_token"
    ]
    return as_text("\n".join(words))
