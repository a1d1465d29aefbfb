"""The demo's table: what came in, what it means, where it went, and what was taken out of it."""

import os
import shutil
import sys
import unicodedata

from store.reports import MessageOutcome

COLOURS = {"negative": "31", "positive": "32", "neutral": "36"}
MIN_TEXT = 30
COLUMNS = ("", "message", "sentiment", "intent", "topics", "queue", "actions", "stripped")
WIDTHS = (2, 0, 13, 17, 20, 16, 31, 9)
SURFACES = {"story_reply": "story reply", "reel_comment": "reel comment", "live_comment": "live comment"}


def _width(text: str) -> int:
    """Columns on a terminal: wide characters take two, marks none."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _fit(text: str, width: int) -> str:
    """Cut or pad to exactly `width` columns."""
    if _width(text) > width:
        while _width(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - _width(text))


def _clean(text: str) -> str:
    """Control and direction characters of customers must not reach the terminal."""
    return "".join(character if unicodedata.category(character)[0] != "C" else " " for character in text)


def _actions(row: MessageOutcome) -> str:
    """What went out or would have: a tilde marks what the tenant has not switched on."""
    shown: list[str] = []
    for action in row.actions:
        kind, _, state = action.partition(":")
        name = (
            kind.replace("_", " ").replace("send ", "").replace("request ", "").replace("escalate to human", "escalate")
        )
        shown.append({"shadow": "~", "failed": "!", "uncertain": "?"}.get(state, "") + name)
    return ", ".join(shown) or "-"


def _cells(row: MessageOutcome) -> list[str]:
    surface = SURFACES.get(row.surface)
    text = _clean(row.text or "(no words)")
    sentiment = f"{row.sentiment} {row.score:.2f}" if row.sentiment and row.score is not None else "-"
    return [
        f"{row.priority or '-'}",
        f"[{surface}] {text}" if surface else text,
        sentiment,
        (row.intent or "-").replace("_", " "),
        ", ".join(row.topics or []) or "-",
        (row.queue or "-").replace("_", " "),
        _actions(row),
        ", ".join(f"{count} {kind}" for kind, count in (row.stripped or {}).items()) or "-",
    ]


def render_table(rows: list[MessageOutcome]) -> str:
    """One block per tenant, most urgent first. Coloured on a terminal, unless NO_COLOR is set."""
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    columns = shutil.get_terminal_size((176, 40)).columns
    widths = [width or max(MIN_TEXT, columns - sum(WIDTHS) - 2 * len(WIDTHS)) for width in WIDTHS]
    lines: list[str] = []
    for tenant in dict.fromkeys(row.tenant for row in rows):
        lines += [
            f"\n{tenant}",
            "  ".join(_fit(title, width) for title, width in zip(COLUMNS, widths, strict=True)).rstrip(),
        ]
        of_tenant = sorted((row for row in rows if row.tenant == tenant), key=lambda row: row.priority or "P9")
        for row in of_tenant:
            line = "  ".join(_fit(cell, width) for cell, width in zip(_cells(row), widths, strict=True)).rstrip()
            colour = COLOURS.get(row.sentiment or "")
            lines.append(f"\x1b[{colour}m{line}\x1b[0m" if coloured and colour else line)
    return "\n".join(lines) + "\n\n~ recorded only: the tenant has not switched this action on"
