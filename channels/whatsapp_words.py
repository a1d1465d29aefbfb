"""Where the customer's own words are in a WhatsApp message, and only those."""

import json
import re
from typing import Any

from channels.reading import as_object, as_text, as_word

_MEDIA_WITH_CAPTION = ("image", "video", "document")
# Flow tokens and ids of chosen options.
_IS_TECHNICAL = re.compile(r"(?i:.*token|.*_id|id)|.*Id").fullmatch
# A chosen option's value carries its number before its words.
_OPTION_NUMBER = re.compile(r"^\d+_")
_HAS_LETTERS = re.compile(r"[^\W\d_]").search
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
        return None if _is_file_name(caption, of=content.get("filename")) else caption
    if kind in {"button", "order"}:
        return as_text(content.get("text"))
    return _interactive_text(content) if kind == "interactive" else None


def _is_file_name(caption: str | None, *, of: Any) -> bool:
    """Many clients send a document's file name, with or without its ending, as its caption."""
    return caption is not None and isinstance(of, str) and caption in {of, of.rpartition(".")[0]}


def _interactive_text(content: dict[str, Any]) -> str | None:
    """The title a customer chose, or the words typed into a form; the form's own body is always "Sent"."""
    for key in ("button_reply", "list_reply"):
        reply = as_object(content.get(key))
        if reply:
            return as_text(reply.get("title"))
    reply = as_object(content.get("nfm_reply"))
    form = reply.get("response_json")
    # An address that was asked for is data about a person, not what the person says.
    if not isinstance(form, str) or reply.get("name") == "address_message":
        return None
    try:
        answers = as_object(json.loads(form))
    except (ValueError, RecursionError):
        return None
    words = [
        _OPTION_NUMBER.sub("", value)
        for key, value in answers.items()
        if isinstance(value, str) and _HAS_LETTERS(value) and value not in {"true", "false"} and not _IS_TECHNICAL(key)
    ]
    return as_text("\n".join(words))
