"""In which form an action's words leave: chosen when they leave, by surface, window, channel and feeling."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from config.actions import ActionConfig
from routing.actions import FALLBACK_LANGUAGE, INVITATIONS, THANKFUL
from routing.facts import COMMENT_SURFACES
from routing.survey_answers import SCALES

# WhatsApp and Instagram take free-form messages for this long after the customer's last one.
CUSTOMER_SERVICE_WINDOW = timedelta(hours=24)
# Instagram takes one private reply to a comment for this long after the comment.
PRIVATE_REPLY_WINDOW = timedelta(days=7)
# WhatsApp's list has room for so many.
_WHATSAPP_ROWS = 10

# human_agent: Instagram, after the 24 hours, and only what a person wrote.
Form = Literal["text", "link", "choices", "template", "private_reply", "public_reply", "human_agent"]


@dataclass(frozen=True)
class Occasion:
    """What the choice looks at. written_at: the provider's time of the message that the action answers."""

    channel: str
    surface: str
    now: datetime
    written_at: datetime
    last_inbound_at: datetime | None
    sentiment: str | None


def choose_form(kind: str, occasion: Occasion, *, config: ActionConfig) -> Form | None:
    """The form in which this kind of action may leave now; None when there is none: a person decides instead.

    Thanks for praise under a post are said where the praise stands; everything else is said in private. When the
    customer's window is over, WhatsApp takes the tenant's template, Instagram takes nothing. The generic channel has no window.
    """
    if occasion.surface in COMMENT_SURFACES and occasion.channel == "instagram":
        return _form_for_comment(kind, occasion, config=config)
    if occasion.surface in COMMENT_SURFACES:
        return None if config.on_comments == "never" else "link" if config.url else "text"
    if occasion.channel != "generic" and not _window_is_open(occasion):
        return "template" if occasion.channel == "whatsapp" and config.template else None
    if config.url:
        return "link"
    # The eleven scores of NPS are asked for as a number on WhatsApp.
    has_room = occasion.channel != "whatsapp" or len(choices_of(kind)) <= _WHATSAPP_ROWS
    return "choices" if choices_of(kind) and has_room else "text"


def choices_of(kind: str) -> tuple[tuple[str, str], ...]:
    """(id, title) of the answers to tap that an action offers, lowest first; none for most."""
    survey = INVITATIONS.get(kind)
    if survey is None:
        return ()
    low, high = SCALES[survey]
    return tuple((f"{survey}:{score}", str(score)) for score in range(low, high + 1))


def _window_is_open(occasion: Occasion) -> bool:
    return occasion.last_inbound_at is not None and occasion.now - occasion.last_inbound_at < CUSTOMER_SERVICE_WINDOW


def _form_for_comment(kind: str, occasion: Occasion, *, config: ActionConfig) -> Form | None:
    if config.on_comments == "never":
        return None
    may_be_public = occasion.surface != "live_comment" and not config.url
    is_thanks_for_praise = kind in THANKFUL and kind not in INVITATIONS and occasion.sentiment == "positive"
    if may_be_public and (config.on_comments == "public" or (config.on_comments == "auto" and is_thanks_for_praise)):
        return "public_reply"
    return "private_reply" if occasion.now - occasion.written_at < PRIVATE_REPLY_WINDOW else None


def template_language(language: str, *, config: ActionConfig) -> str:
    """The template's code for the customer's language, else English, else the first that the tenant has.

    Raises: KeyError when the tenant has set no template.
    """
    if config.template is None:
        message = "no template"
        raise KeyError(message)
    languages = config.template.languages
    return languages.get(language) or languages.get(FALLBACK_LANGUAGE) or next(iter(languages.values()))
