"""Every text of the console is translated, wherever it stands."""

from typing import get_args

import pytest

from config.industries import load_industry
from config.words import QUEUES, ActionKind, ActionState, ChannelKind, Intent, Sentiment, Surface
from console.languages import LANGUAGES
from console.topic_words import TOPICS
from console.words import WORDS
from store.conversation_events import EventKind
from tests import missing_texts
from tests.conftest import ROOT
from tests.missing_texts import (
    CONSOLE,
    TRANSLATED,
    catalog,
    fragment,
    missing,
    placeholder_mistakes,
    translated,
    unknown,
    unmarked_words,
)

# Names, the same in every language.
NAMES = {"Earshot", "CRM", "API"}
TEMPLATES = sorted((CONSOLE / "templates").rglob("*.html"))


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated(language):
    lacking = missing(language)
    assert not lacking, f"python -m tests.missing_texts prints what to fill in:\n\n{fragment(language)}"


@pytest.mark.parametrize("language", TRANSLATED)
def test_nothing_is_translated_that_is_not_used(language):
    assert unknown(language) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_keep_the_placeholders(language):
    assert placeholder_mistakes(language) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_have_no_stray_blanks_or_marks_of_direction(language):
    for text, message in translated(language).items():
        for form in message.string if isinstance(message.string, tuple) else (message.string,):
            assert form == " ".join(form.split()), text
            assert form.isprintable(), text


def test_every_language_has_all_its_plural_forms():
    assert {language: catalog(language).num_plurals for language in TRANSLATED} == {"de": 2, "tr": 2, "ar": 6}
    for language in TRANSLATED:
        for text, message in translated(language).items():
            if isinstance(text, tuple):
                assert len(message.string) == catalog(language).num_plurals, text


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_word_stands_in_a_template_in_one_language_only(path):
    assert set(unmarked_words(path.read_text())) <= NAMES


def test_a_word_that_nobody_marked_is_found():
    source = """{% extends 'x' %}{# a comment #}<p class="quiet" title="Hint">{{ _('Good') }} Bad <b>worse</b> <code>earshot</code> &nbsp;</p>"""
    assert unmarked_words(source) == ["Bad", "Hint", "worse"]


def test_what_is_missing_or_left_over_is_printed_to_be_filled_in(monkeypatch, capsys):
    used = missing_texts.used_texts()
    before = {language: len(missing(language)) for language in TRANSLATED}
    gone = next(text for text in used if text in translated("de"))
    changed = {text: places for text, places in used.items() if text != gone}
    changed |= {"A new text": ["console/templates/new.html"], ("%(n)s fish", "%(n)s fishes"): ["console/new.py"]}
    monkeypatch.setattr(missing_texts, "used_texts", lambda: changed)
    assert missing_texts.main() == 1
    printed = capsys.readouterr().out
    assert '#: console/templates/new.html\nmsgid "A new text"\nmsgstr ""\n' in printed
    assert 'msgid "%(n)s fish"\nmsgid_plural "%(n)s fishes"\nmsgstr[0] ""\n' in printed and 'msgstr[5] ""' in printed
    assert f"used nowhere any more, remove it: {gone!r}" in printed
    assert all(f"# {language}: {count + 2} missing" in printed for language, count in before.items())


def test_every_code_that_people_see_has_a_word():
    codes = {
        *get_args(Sentiment), *get_args(Intent), *get_args(ActionKind), *get_args(Surface), *get_args(ChannelKind), *QUEUES,
        "open", "snoozed", "resolved",
        *(f"action {state}" for state in get_args(ActionState)), *(f"event {kind}" for kind in get_args(EventKind)),
        *(f"confidence {word}" for word in ("high", "medium", "low")), *(f"run {kind}" for kind in ("initial", "reanalyze", "sweep")),
        *(f"author {kind}" for kind in ("human", "bot", "earshot")),
    }  # fmt: skip
    assert codes <= set(WORDS)


def test_every_topic_that_we_ship_has_a_word():
    topics = {
        topic for path in (ROOT / "config/industries").glob("*.toml") for topic in load_industry(path.stem).all_topics()
    }
    assert topics == set(TOPICS)
    assert not topics & set(WORDS)


def test_the_languages_that_can_be_chosen_are_those_with_a_catalog():
    assert {path.stem for path in (CONSOLE / "translations").glob("*.po")} == set(LANGUAGES) - {"en"}
