"""What each kind of action is, what it says to the customer, and whether it is still right when it would leave."""

import tomllib
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files

from config.actions import ActionConfig
from config.surveys import SurveyKind

# Takes effect with the decision itself, inside our own rows.
INTERNAL = frozenset({"escalate_to_human", "assign", "notify", "tag"})
# A message to the customer.
CUSTOMER_FACING = frozenset(
    {
        "send_refund_form",
        "close_with_thanks",
        "send_nps_invite",
        "send_csat_invite",
        "ask_survey_reason",
        "request_screenshot",
        "follow_up",
    }
)
# A question that waits for a score, and the survey it belongs to.
INVITATIONS: dict[str, SurveyKind] = {"send_nps_invite": "nps", "send_csat_invite": "csat"}
# Only ever sends a form, only when the customer asks for a refund, and never on a suspicion of injected instructions.
MONEY_LIKE = frozenset({"send_refund_form"})
# Cheerful: never to somebody who may be angry.
THANKFUL = frozenset({"close_with_thanks", "send_nps_invite", "send_csat_invite"})
# A task for a person in the tenant's CRM.
CRM_TASKS = frozenset({"schedule_callback"})
# What somebody waits for: when it can't be sent any more, a person has to answer.
WAITED_FOR = frozenset({"send_refund_form", "request_screenshot", "follow_up", "reply"})
# Asked for in so many words, and needed by the person who was called: an escalation does not stop it, only what a person writes does.
OUTLASTS_ESCALATION = frozenset({"send_refund_form"})
FALLBACK_LANGUAGE = "en"


def idempotency_key(message_id: str, kind: str) -> str:
    """One action of a kind per message, for ever."""
    return f"{message_id}:{kind}"


@cache
def _texts() -> dict[str, dict[str, str]]:
    return tomllib.loads((files("routing") / "action_texts.toml").read_text(encoding="utf-8"))


def outbound_text(kind: str, *, language: str, config: ActionConfig) -> str:
    """The tenant's wording in the customer's language, else ours, else English, the tenant's own first.

    Raises: KeyError when the kind says nothing to a customer.
    """
    ours = _texts()[kind]
    if language in config.texts:
        return config.texts[language]
    if language in ours:
        return ours[language]
    return config.texts.get(FALLBACK_LANGUAGE) or ours[FALLBACK_LANGUAGE]


def link_for(kind: str, *, language: str, config: ActionConfig) -> tuple[str, str] | None:
    """(button label of at most 20 characters, URL) when the tenant has set a URL for this action."""
    if not config.url:
        return None
    labels = _texts()["button_labels" if kind in MONEY_LIKE else "open_labels"]
    return labels.get(language, labels[FALLBACK_LANGUAGE]), config.url


def refusal(
    kind: str,
    *,
    now: datetime,
    received_at: datetime,
    human_took_over: bool,
    config: ActionConfig,
    contradicted: bool = False,
) -> str | None:
    """Why a planned action must not leave now, or None when it may. In which form is routing.reply_forms' business.

    received_at: when the message it answers came to us. contradicted: a later message or a person's correction says the
    opposite of what the action was planned on.
    "not_enabled", "human_took_over" and "contradicted" are for good; "too_old" means that its time is over.
    """
    if kind not in CUSTOMER_FACING:
        return None
    if not config.enabled:
        return "not_enabled"
    if human_took_over:
        return "human_took_over"
    if contradicted:
        return "contradicted"
    return "too_old" if now - received_at > timedelta(minutes=config.max_age_min) else None
