"""What every page's template may use."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, g, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from console.badges import confidence_word
from console.forged_forms import csrf_token
from console.languages import LANGUAGES
from console.pages.admin.subjects import SUBJECTS
from console.pages.notices import take_notice
from console.visitors import settle_language, speech
from console.words import NOTICES, PROBLEMS, REPLY_REASONS, english


def word(code: str) -> str:
    """A code of ours in the visitor's language."""
    return speech().text(english(code))


def duration(seconds: float) -> str:
    """A length of time in the visitor's words: "4 hours"."""
    return speech().span(timedelta(seconds=seconds))


def admin_subjects() -> list[tuple[str, str]]:
    """The menu of the administration: (blueprint without `admin_`, name in the visitor's language)."""
    return [(blueprint, speech().text(name)) for blueprint, name in SUBJECTS]


def reply_reason(code: str) -> str:
    """Why an answer waits or did not leave."""
    known = REPLY_REASONS.get(code.partition(":")[0])
    return speech().text(known) if known else code


def notice_text(notice: dict[str, Any]) -> str:
    """What was just done, in the visitor's language."""
    kind = str(notice.get("kind"))
    if kind == "done_many":
        done, refused = int(notice.get("done", 0)), int(notice.get("refused", 0))
        said = speech().texts("%(n)s conversation changed.", "%(n)s conversations changed.", done)
        more = speech().texts("%(n)s could not be.", "%(n)s could not be.", refused) if refused else ""
        return f"{said} {more}".strip()
    detail = notice.get("code") or notice.get("deed")
    return speech().text(NOTICES.get(f"{kind} {detail}") or NOTICES.get(kind) or kind)


def add_to_templates(app: Flask) -> None:
    """Functions and values for all templates, and error pages in the same clothes."""

    @app.context_processor
    def for_all() -> dict[str, Any]:
        return {
            "_": speech().text,
            "ngettext": speech().texts,
            "word": word,
            "reply_reason": reply_reason,
            "confidence_word": confidence_word,
            "languages": LANGUAGES,
            "admin_subjects": admin_subjects,
            "duration": duration,
            "take_notice": take_notice,
            "notice_text": notice_text,
            "csrf_token": csrf_token,
            "speech": speech(),
            "theme": g.get("theme", "system"),
            "visitor": g.get("visitor"),
            "here": request.full_path.rstrip("?") if request.method == "GET" else "",
            "now": datetime.now(UTC),
        }


def problem_page(error: HTTPException) -> tuple[str, int] | Response:
    """What went wrong, as a page."""
    if "speech" not in g:
        settle_language()
    text = PROBLEMS.get(error.code or 500, PROBLEMS[500])
    status = error.code or 500
    return render_template("problem.html", title=f"{status}", text=speech().text(text)), status
