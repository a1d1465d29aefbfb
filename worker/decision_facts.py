"""What a decision looks at, from stored rows."""

from dataclasses import replace

from analysis.lexicon import floor_hits
from config.tenant import TenantConfig
from routing.business_hours import is_open
from routing.facts import RoutingFacts
from routing.local_time import local_time
from store.analyses import StoredAnalysis
from store.customers import Conversation
from store.messages import StoredMessage
from store.runs import Outcome


def build_facts(
    *,
    message: StoredMessage,
    conversation: Conversation,
    tenant: TenantConfig,
    analysis: StoredAnalysis | None,
    outcome: Outcome | None,
    words: str,
    allow_actions: bool,
    recent_actions: dict[str, int],
    corrected: tuple[str, ...] = (),
) -> RoutingFacts:
    """All that the decision looks at, from rows. words: the message's own and those of its burst."""
    weekday, minute = local_time(tenant.hours, message.sent_at)
    facts = RoutingFacts(
        outcome="no_text" if outcome == "no_text" else "unanalyzed",
        surface=message.surface,  # pyright: ignore[reportArgumentType] -- the column holds nothing else
        high_value=conversation.high_value,
        human_took_over=conversation.taken_over,
        floor_hits=floor_hits(words, own=tenant.floor.groups()),
        allow_actions=allow_actions,
        recent_actions=recent_actions,
        message_type=message.message_type,
        in_group=message.group_id is not None,
        channel=conversation.channel,
        tier=conversation.tier,
        office_open=is_open(tenant.hours, message.sent_at),
        weekday=weekday,
        minute=minute,
    )
    if analysis is None:
        return facts
    return replace(
        with_label(facts, analysis),
        open_priority=conversation.priority if conversation.state == "open" else None,  # pyright: ignore[reportArgumentType]
        corrected=corrected,
    )


def provisional_facts(*, message: StoredMessage, conversation: Conversation, tenant: TenantConfig) -> RoutingFacts:
    """The facts about a message that the model has not read yet: all that is known without it. It may be placed and no more."""
    facts = build_facts(
        message=message,
        conversation=conversation,
        tenant=tenant,
        analysis=None,
        outcome=None,
        words=message.text or "",
        allow_actions=False,
        recent_actions={},
    )
    return replace(facts, outcome="analyzed", provisional=True)


def with_label(facts: RoutingFacts, analysis: StoredAnalysis) -> RoutingFacts:
    """The same facts about a message that was read so."""
    return replace(
        facts,
        outcome="analyzed",
        sentiment=analysis.sentiment,  # pyright: ignore[reportArgumentType]
        score=analysis.score,
        intent=analysis.intent,  # pyright: ignore[reportArgumentType]
        topics=tuple(analysis.topics),
        suggested_action=analysis.suggested_action,
        language=analysis.language,
        sarcasm=analysis.signals.get("sarcasm", False),
        injection_suspected=analysis.signals.get("injection_suspected", False),
        urgent=analysis.signals.get("urgent", False),
    )
