"""What Meta refuses in a message: limits of the Cloud API and of Instagram's Send API, 2026."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

INVALID_PARAMETER, MISSING_PARAMETER, INVALID_VALUE = 100, 131008, 131009
CALLBACK_CHARS = 512
INSTAGRAM_TEXT_BYTES = 1000
_RECIPIENT = re.compile(r"\+?[0-9]{5,20}")
_BSUID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]{1,140}")
_TYPES = ("text", "template", "interactive")


@dataclass(frozen=True)
class Refusal:
    """One of Meta's errors. details: what stands in `error_data.details` (WhatsApp only)."""

    code: int
    details: str
    subcode: int | None = None


def whatsapp_problem(payload: dict[str, Any]) -> Refusal | None:
    """The first thing wrong with a WhatsApp message, or None."""
    return next(_whatsapp_problems(payload), None)


def _whatsapp_problems(payload: dict[str, Any]) -> Iterator[Refusal]:
    to, recipient = payload.get("to"), payload.get("recipient")
    if not to and not recipient:
        yield Refusal(INVALID_PARAMETER, "The parameter to is required.")
    elif to and not (isinstance(to, str) and _RECIPIENT.fullmatch(re.sub(r"[ ()-]", "", to))):
        yield Refusal(INVALID_VALUE, "to must be a phone number with country code")
    elif not to and not (isinstance(recipient, str) and _BSUID.fullmatch(recipient)):
        yield Refusal(INVALID_VALUE, "recipient must be a business-scoped user id")
    if payload.get("recipient_type", "individual") not in {"individual", "group"}:
        yield Refusal(INVALID_PARAMETER, "recipient_type must be individual or group")
    callback = payload.get("biz_opaque_callback_data")
    if callback is not None and not _is_text(callback, CALLBACK_CHARS):
        yield Refusal(INVALID_PARAMETER, f"biz_opaque_callback_data must be at most {CALLBACK_CHARS} characters")
    kind = payload.get("type", "text")
    if kind not in _TYPES:
        yield Refusal(INVALID_PARAMETER, f"type must be one of {', '.join(_TYPES)} at this stand-in")
        return
    content = payload.get(kind)
    if not isinstance(content, dict):
        yield Refusal(MISSING_PARAMETER, f"{kind} is missing")
        return
    yield from {"text": _text, "template": _template, "interactive": _interactive}[kind](content)


def _text(content: dict[str, Any]) -> Iterator[Refusal]:
    if not content.get("body"):
        yield Refusal(MISSING_PARAMETER, "text.body is missing")
    elif not _is_text(content["body"], 4096):
        yield Refusal(INVALID_VALUE, "text.body must be at most 4096 characters")


def _template(content: dict[str, Any]) -> Iterator[Refusal]:
    language = content.get("language")
    if not content.get("name") or not (isinstance(language, dict) and language.get("code")):
        yield Refusal(MISSING_PARAMETER, "template.name and template.language.code are required")
    if not isinstance(content.get("components", []), list):
        yield Refusal(INVALID_VALUE, "template.components must be a list")


def _interactive(content: dict[str, Any]) -> Iterator[Refusal]:
    kind, action = content.get("type"), content.get("action")
    body = _object(content.get("body")).get("text")
    if not body or not isinstance(action, dict):
        yield Refusal(MISSING_PARAMETER, "interactive.body.text and interactive.action are required")
        return
    if not _is_text(body, 1024):
        yield Refusal(INVALID_VALUE, "interactive.body.text must be at most 1024 characters")
    if not _is_text(_object(content.get("footer")).get("text", "-"), 60):
        yield Refusal(INVALID_VALUE, "interactive.footer.text must be at most 60 characters")
    if kind == "cta_url":
        yield from _link(action)
    elif kind == "button":
        yield from _buttons(action)
    elif kind == "list":
        yield from _list(action)
    else:
        yield Refusal(INVALID_VALUE, "interactive.type must be button, list or cta_url at this stand-in")


def _link(action: dict[str, Any]) -> Iterator[Refusal]:
    parameters = _object(action.get("parameters"))
    if action.get("name") != "cta_url" or not parameters.get("display_text") or not parameters.get("url"):
        yield Refusal(MISSING_PARAMETER, "action.name, parameters.display_text and parameters.url are required")
    elif not _is_text(parameters["display_text"], 20):
        yield Refusal(INVALID_VALUE, "parameters.display_text must be at most 20 characters")
    elif not re.match(r"https?://[^\s/]", str(parameters["url"])):
        yield Refusal(INVALID_VALUE, "parameters.url must be a URL")


def _buttons(action: dict[str, Any]) -> Iterator[Refusal]:
    buttons = action.get("buttons")
    replies = [_object(_object(one).get("reply")) for one in buttons] if isinstance(buttons, list) else []
    if not 1 <= len(replies) <= 3:
        yield Refusal(INVALID_VALUE, "action.buttons must hold 1 to 3 buttons")
    if any(_object(one).get("type") != "reply" for one in buttons or []):
        yield Refusal(INVALID_VALUE, "a button's type must be reply")
    if not all(reply.get("id") and reply.get("title") for reply in replies):
        yield Refusal(MISSING_PARAMETER, "reply.id and reply.title are required")
    elif not all(_is_text(reply["id"], 256) and _is_text(reply["title"], 20) for reply in replies):
        yield Refusal(INVALID_VALUE, "reply.id must be at most 256 characters and reply.title at most 20")
    elif len({reply["id"] for reply in replies}) < len(replies):
        yield Refusal(INVALID_VALUE, "reply.id must be unique")


def _list(action: dict[str, Any]) -> Iterator[Refusal]:
    sections = action.get("sections")
    rows = [
        _object(row)
        for section in (sections if isinstance(sections, list) else [])
        for row in (_object(section).get("rows") or [])
    ]
    if not _is_text(action.get("button"), 20):
        yield Refusal(INVALID_VALUE, "action.button must have 1 to 20 characters")
    if not 1 <= len(rows) <= 10:
        yield Refusal(INVALID_VALUE, "action.sections must hold 1 to 10 rows in all")
    if not all(_is_text(row.get("id"), 200) and _is_text(row.get("title"), 24) for row in rows):
        yield Refusal(INVALID_VALUE, "a row needs an id of at most 200 characters and a title of at most 24")
    if not all(_is_text(row.get("description", "-"), 72) for row in rows):
        yield Refusal(INVALID_VALUE, "a row's description must have at most 72 characters")
    if len({str(row.get("id")) for row in rows}) < len(rows):
        yield Refusal(INVALID_VALUE, "row ids must be unique")


def instagram_problem(payload: dict[str, Any]) -> Refusal | None:
    """The first thing wrong with an Instagram message, or None."""
    return next(_instagram_problems(payload), None)


def _instagram_problems(payload: dict[str, Any]) -> Iterator[Refusal]:
    recipient, message = _object(payload.get("recipient")), _object(payload.get("message"))
    if not (recipient.get("id") or recipient.get("comment_id")):
        yield Refusal(INVALID_PARAMETER, "The parameter recipient is required")
    if not message.get("text") and not message.get("attachment"):
        yield Refusal(INVALID_PARAMETER, "Message cannot be empty, must provide valid attachment or text")
    if len(str(message.get("text", "")).encode(errors="replace")) > INSTAGRAM_TEXT_BYTES:
        yield Refusal(INVALID_PARAMETER, "Length of param message[text] must be less than or equal to 1000")
    if payload.get("messaging_type", "RESPONSE") not in {"RESPONSE", "MESSAGE_TAG", "UPDATE"}:
        yield Refusal(INVALID_PARAMETER, "Param messaging_type must be one of RESPONSE, UPDATE, MESSAGE_TAG")
    if payload.get("tag", "HUMAN_AGENT") != "HUMAN_AGENT":  # the others were retired on 27 April 2026
        yield Refusal(INVALID_PARAMETER, "Param tag must be HUMAN_AGENT")
    replies = message.get("quick_replies", [])
    titles = [_object(one).get("title", "-") for one in replies] if isinstance(replies, list) else []
    if len(titles) > 13 or not all(_is_text(title, 20) for title in titles):
        yield Refusal(INVALID_PARAMETER, "quick_replies: at most 13, titles of at most 20 characters")
    if message.get("attachment"):
        yield from _button_template(_object(message["attachment"]))


def _button_template(attachment: dict[str, Any]) -> Iterator[Refusal]:
    payload = _object(attachment.get("payload"))
    if attachment.get("type") != "template" or payload.get("template_type") != "button":
        return  # images, audio and the like: nothing to check here
    if not _is_text(payload.get("text"), 640):
        yield Refusal(INVALID_PARAMETER, "payload[text] must have 1 to 640 characters")
    buttons = payload.get("buttons")
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= 3:
        yield Refusal(INVALID_PARAMETER, "payload[buttons] must hold 1 to 3 buttons")
        return
    for button in map(_object, buttons):
        target = {"web_url": "url", "postback": "payload"}.get(str(button.get("type")))
        if target is None or not button.get(target) or not _is_text(button.get("title"), 20):
            yield Refusal(
                INVALID_PARAMETER, "a button needs a type, its url or payload and a title of 1 to 20 characters"
            )


def _is_text(value: Any, limit: int) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= limit


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
