"""What may leave the building for one message: its stripped words, those before it, and what the tenant has set."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from analysis.base import AnalysisRequest, ContextTurn, MinimizedText
from analysis.minimize import minimize as strip_personal_data
from config.industries import load_industry
from config.rules_versions import RULES_VERSION
from config.tenant import TenantConfig
from store.customers import list_known_names
from store.db import Connection
from store.examples import PublishedExamples, get_examples_and_quietness
from store.messages import EarlierTurn, StoredMessage, list_burst_parts, list_turns_around

# Of a longer burst the newest words count.
MAX_BURST_CHARS = 8192


@dataclass(frozen=True)
class BuiltRequest:
    """A request, and whose words stand as context in it, in its order."""

    request: AnalysisRequest = field(repr=False)
    context_ids: tuple[str, ...]


def build_request(
    conn: Connection,
    message: StoredMessage,
    *,
    tenant_id: int,
    tenant: TenantConfig,
    examples: PublishedExamples | None = None,
    until_now: bool = False,
) -> BuiltRequest:
    """The request for a message that is placed and minimized: only what happened up to it, or `until_now`.

    examples: instead of those that the tenant has published. The transaction must act for `tenant_id`.
    """
    assert message.conversation_id is not None
    turns = list_turns_around(
        conn,
        conversation_id=message.conversation_id,
        sent_at=message.sent_at,
        message_id=message.id,
        limit=tenant.context_turns,
        until_now=until_now,
    )
    published, quiet = get_examples_and_quietness(conn, tenant_id)
    published = published if examples is None else examples
    return build_request_of(conn, message, tenant=tenant, turns=turns, examples=published, is_quiet=quiet)


def build_request_of(
    conn: Connection,
    message: StoredMessage,
    *,
    tenant: TenantConfig,
    turns: Iterable[EarlierTurn],
    examples: PublishedExamples,
    is_quiet: bool,
) -> BuiltRequest:
    """The same of what has been read. turns: before the message, oldest first."""
    context = _context(conn, message, tenant, turns)
    request = replace(
        request_for_words(_burst_text(conn, message), tenant, examples),
        context=tuple(context.values()),
        is_quiet=is_quiet,
    )
    return BuiltRequest(request, tuple(context))


def request_for_words(words: MinimizedText, tenant: TenantConfig, examples: PublishedExamples) -> AnalysisRequest:
    """The request for stripped words that stand alone and belong to no message."""
    industry = load_industry(tenant.industry)
    return AnalysisRequest(
        text=words,
        topics={**industry.all_topics(), **tenant.topics},
        industry=industry.description,
        tone=tenant.tone or industry.tone,
        examples=examples.examples,
        examples_version=examples.version,
        rules_version=tenant.model.rules or RULES_VERSION,
    )


def _context(
    conn: Connection, message: StoredMessage, tenant: TenantConfig, turns: Iterable[EarlierTurn]
) -> dict[str, ContextTurn]:
    """These turns, stripped, by message id."""
    assert message.customer_id is not None
    names: tuple[str, ...] | None = None
    context: dict[str, ContextTurn] = {}
    for turn in turns:
        speaker = "customer" if turn.direction == "inbound" else "agent"
        if turn.minimized_text is not None:
            context[turn.message_id] = ContextTurn(speaker, MinimizedText(turn.minimized_text))
            continue
        names = list_known_names(conn, message.customer_id) if names is None else names
        stripped = strip_personal_data(turn.text or "", region=tenant.default_region, known_names=names)
        context[turn.message_id] = ContextTurn(speaker, stripped.text)
    return context


def _burst_text(conn: Connection, message: StoredMessage) -> MinimizedText:
    """The stripped words of the message, after those of its burst that are analyzed with it."""
    assert message.minimized_text is not None
    parts = [part.minimized_text for part in list_burst_parts(conn, message) if part.minimized_text]
    return MinimizedText("\n".join([*parts, message.minimized_text])[-MAX_BURST_CHARS:])
