"""Where the customer's own words are in a WhatsApp message, and only those."""

import json
import re
from typing import Any

from channels.reading import as_id, as_object, as_text, as_word

_MEDIA_WITH_CAPTION = ("image", "video", "document")
# Flow tokens and ids of chosen options.
_IS_TECHNICAL = re.compile(r"(?i:.*token|.*_id|id|.*pass(word|code).*|.*otp)|.*Id").fullmatch
# A chosen option's value carries its number before its words.
_OPTION_NUMBER = re.compile(r"^\d+_")
_HAS_LETTERS = re.compile(r"[^\W\d_]").search
# Kinds of content by which a message that names no type is known; those with words first.
_CONTENTS = (
    *("text", *_MEDIA_WITH_CAPTION, "button", "order", "interactive", "reaction", "edit", "revoke", "system"),
    *("audio", "voice", "sticker", "location", "contacts", "request_welcome"),
)


def message_type(item: dict[str, Any]) -> str:
    """The provider's type; of a message that names none, the content it holds."""
    named = item.get("type")
    if named:
        return as_word(named.strip().lower() if isinstance(named, str) else named, otherwise="unknown")
    return next((kind for kind in _CONTENTS if item.get(kind)), "unknown")


def has_content(item: dict[str, Any]) -> bool:
    """Whether there are words, or a picture, video or document, which may well have none."""
    return message_text(item) is not None or message_type(item) in _MEDIA_WITH_CAPTION


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


def chosen_id(item: dict[str, Any]) -> str | None:
    """What we named the button or row that the customer tapped; None for anything else."""
    kind = message_type(item)
    content = as_object(item.get(kind))
    if kind == "button":
        return as_id(content.get("payload"))
    if kind != "interactive":
        return None
    replies = (as_object(content.get(key)) for key in ("button_reply", "list_reply"))
    return next((as_id(reply.get("id")) for reply in replies if reply), None)


def _is_file_name(caption: str | None, *, of: Any) -> bool:
    """Many clients send a document's file name, with or without its ending, as its caption."""
    if caption is None or not isinstance(of, str):
        return False
    name = of.strip().casefold()
    return caption.strip().casefold() in {name, name.rpartition(".")[0]}


def _interactive_text(content: dict[str, Any]) -> str | None:
    """The title a customer chose, or the words typed into a form; the form's own body is always "Sent"."""
    for key in ("button_reply", "list_reply"):
        reply = as_object(content.get(key))
        if reply:
            return as_text(reply.get("title"))
    reply = as_object(content.get("nfm_reply"))
    form = reply.get("response_json")
    # An address that was asked for is data about a person, not what the person says.
    if reply.get("name") == "address_message":
        return None
    try:
        answers = as_object(json.loads(form) if isinstance(form, str) else form)
    except (ValueError, RecursionError):
        return None
    given = [
        (value, key) for key, values in answers.items() for value in (values if isinstance(values, list) else [values])
    ]
    words = [
        _OPTION_NUMBER.sub("", value)
        for value, key in given
        if isinstance(value, str) and _HAS_LETTERS(value) and value not in {"true", "false"} and not _IS_TECHNICAL(key)
    ]
    return as_text("\n".join(words))
