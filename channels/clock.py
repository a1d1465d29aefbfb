"""Provider times against our own clock: what claims to come from the future came now."""

from dataclasses import replace
from datetime import datetime, timedelta

from channels.base import ParsedWebhook

# Clocks differ by seconds. A customer's own mail client may be years ahead, and order, windows and clocks follow these times.
MAX_AHEAD = timedelta(minutes=5)


def without_future(parsed: ParsedWebhook, *, now: datetime) -> ParsedWebhook:
    """The same events; a time that lies more than five minutes ahead of `now` counts as not given."""
    latest = now + MAX_AHEAD
    # By far the most are of the past, and nothing else than messages.
    if all(_is_sound(one.sent_at, latest) for one in parsed.messages) and not _speaks_of_others(parsed):
        return parsed
    return _corrected(parsed, latest)


def _is_sound(at: datetime | None, latest: datetime) -> bool:
    return at is None or at <= latest


def _speaks_of_others(parsed: ParsedWebhook) -> bool:
    return bool(
        parsed.edits or parsed.erasures or parsed.reactions or parsed.identity_changes or parsed.marketing_choices
    )


def _corrected(parsed: ParsedWebhook, latest: datetime) -> ParsedWebhook:
    def sound(at: datetime | None) -> datetime | None:
        return at if _is_sound(at, latest) else None

    return replace(
        parsed,
        messages=tuple(replace(one, sent_at=sound(one.sent_at)) for one in parsed.messages),
        edits=tuple(
            replace(
                one, message=replace(one.message, sent_at=sound(one.message.sent_at)), edited_at=sound(one.edited_at)
            )
            for one in parsed.edits
        ),
        erasures=tuple(
            replace(one, message=replace(one.message, sent_at=sound(one.message.sent_at))) for one in parsed.erasures
        ),
        reactions=tuple(replace(one, reacted_at=sound(one.reacted_at)) for one in parsed.reactions),
        identity_changes=tuple(replace(one, changed_at=sound(one.changed_at)) for one in parsed.identity_changes),
        marketing_choices=tuple(replace(one, chosen_at=sound(one.chosen_at)) for one in parsed.marketing_choices),
    )
