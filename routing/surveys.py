"""Who is invited to a survey, and where an answer to one goes."""

from dataclasses import replace
from typing import Literal

from config.surveys import SurveyConfig, SurveyKind, Surveys
from routing.facts import Decision, PlannedAction, RoutingFacts, RoutingPolicy

_NAMES: dict[SurveyKind, str] = {"nps": "NPS", "csat": "CSAT"}
# NPS: 0 to 6 are detractors, 9 and 10 promoters. CSAT: 1 and 2 of 5 are unhappy, 4 and 5 satisfied.
_HIGHEST_DETRACTOR: dict[SurveyKind, int] = {"nps": 6, "csat": 2}
_LOWEST_PROMOTER: dict[SurveyKind, int] = {"nps": 9, "csat": 4}
_STANDS_HIGH = ("P1", "P2")


def group_of(survey: SurveyKind, score: int) -> Literal["detractor", "passive", "promoter"]:
    """How a score counts; for CSAT a promoter is a satisfied and a detractor an unhappy customer."""
    if score <= _HIGHEST_DETRACTOR[survey]:
        return "detractor"
    return "promoter" if score >= _LOWEST_PROMOTER[survey] else "passive"


def no_invitation(survey: SurveyKind, facts: RoutingFacts, *, surveys: Surveys) -> str | None:
    """Why this customer is not invited now; None when they may be.

    NPS asks only the happy; CSAT, which a person's work on the conversation brings up, everybody who isn't unhappy.
    """
    config = surveys.of(survey)
    return (
        _not_asked_at_all(config, facts)
        or _no_good_moment(survey, config, facts)
        or _asked_lately(survey, config, facts)
    )


def _not_asked_at_all(config: SurveyConfig, facts: RoutingFacts) -> str | None:
    if not config.enabled:
        return "the tenant has switched the survey off"
    if facts.declined_marketing:
        return "the customer does not want such messages"
    if facts.survey_channel is not None and facts.survey_channel not in config.on_channels:
        return "the tenant does not ask on this channel"
    return None


def _no_good_moment(survey: SurveyKind, config: SurveyConfig, facts: RoutingFacts) -> str | None:
    if facts.survey:
        return "the message answers a survey"
    if facts.sentiment == "negative" or facts.sarcasm or facts.injection_suspected:
        return "the customer may be unhappy"
    if survey == "nps" and facts.sentiment != "positive":
        return "only happy customers are asked"
    if facts.sentiment == "positive" and (facts.score or 0.0) < config.min_score:
        return "the model is not sure enough that the customer is happy"
    if facts.floor_hits:
        return "the text holds words that a person has to see"
    if facts.open_priority in _STANDS_HIGH:
        return f"the conversation still stands at {facts.open_priority}"
    return None


def _asked_lately(survey: SurveyKind, config: SurveyConfig, facts: RoutingFacts) -> str | None:
    days = facts.days_since_invitation.get(survey)
    if days is not None and days < config.min_days_between:
        return f"the customer was asked less than {config.min_days_between} days ago, over all channels"
    if facts.survey_sample >= config.sample_share:
        return "the conversation is not in the share that the tenant asks"
    return None


def place_score(facts: RoutingFacts, policy: RoutingPolicy) -> Decision | None:
    """Where a score without words goes: nobody has to answer it. None for every other message.

    One that was refused or failed is not among them: a person looks at it, as at any message that nobody could read.
    """
    if facts.survey is None or facts.survey_score is None or facts.survey_comment:
        return None
    if facts.provisional or facts.outcome == "unanalyzed":
        return None
    consent = policy.actions.get("ask_survey_reason")
    asks = (
        policy.surveys.of(facts.survey).ask_reason
        and (consent is None or consent.enabled)
        and facts.allow_actions
        and not facts.survey_reason_asked
    )
    return Decision(
        priority="P4",
        queue="auto",
        rule="survey_score",
        reasons=(f"{_score(facts)}, without other words, so nobody has to answer.",),
        actions=(PlannedAction("ask_survey_reason", "pending"),) if asks else (),
    )


def heed_detractor(decision: Decision, facts: RoutingFacts) -> Decision:
    """An unhappy score brings the message before Customer Success, at least at P3; senior agents keep what is theirs."""
    if facts.survey is None or facts.survey_score is None or facts.provisional:
        return decision
    if group_of(facts.survey, facts.survey_score) != "detractor":
        return decision
    alone = decision.rule == "survey_score"
    reason = f"{_score(facts)}: an unhappy customer, so Customer Success looks."
    return replace(
        decision,
        priority=min(decision.priority, "P3"),
        queue=decision.queue if decision.queue in {"senior", "review"} else "customer_success",
        rule="survey_detractor" if alone else decision.rule,
        reasons=(reason,) if alone else (reason, *decision.reasons),
    )


def _score(facts: RoutingFacts) -> str:
    assert facts.survey is not None
    highest = {"nps": 10, "csat": 5}[facts.survey]
    return f"The customer answers our {_NAMES[facts.survey]} question with {facts.survey_score} of {highest}"
