"""`python -m tests.missing_texts`: what the catalogs of the console lack, a .po fragment per language to fill in and append.

Texts are what templates and Python files of the console hand to `_`, `ngettext`, `text` or `texts` as they stand in the source.
"""

import io
import re
import sys
from collections import defaultdict
from functools import cache

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment
from jinja2.ext import babel_extract

from console.languages import DEFAULT, LANGUAGES
from tests.conftest import ROOT

CONSOLE = ROOT / "console"
TRANSLATED = tuple(language for language in LANGUAGES if language != DEFAULT)
KEYWORDS = {"_": None, "text": None, "ngettext": (1, 2), "texts": (1, 2)}
# (one, many) where the text depends on a number.
Text = str | tuple[str, str]


@cache
def used_texts() -> dict[Text, list[str]]:
    """Every text that people read, with the files it stands in."""
    found: dict[Text, list[str]] = defaultdict(list)
    for path in sorted(CONSOLE.rglob("*.py")):
        for _line, text, _comments, _context in extract_from_file("python", path, keywords=KEYWORDS):
            found[_as_text(text)].append(path.relative_to(ROOT).as_posix())
    for path in sorted(CONSOLE.glob("templates/**/*.html")):
        with path.open("rb") as file:
            for _line, _function, text, _comments in babel_extract(file, tuple(KEYWORDS), (), {"silent": "false"}):
                found[_as_text(text)].append(path.relative_to(ROOT).as_posix())
    return {text: sorted(set(places)) for text, places in found.items() if text}


def _as_text(found: object) -> Text:
    """An extractor's find, without the arguments that are no text."""
    if isinstance(found, str):
        return found
    one, many = [part for part in found if isinstance(part, str)]
    return one, many


@cache
def catalog(language: str) -> Catalog:
    """What is translated into the language."""
    path = CONSOLE / f"translations/{language}.po"
    return read_po(io.BytesIO(path.read_bytes()), locale=language, abort_invalid=True)


def translated(language: str) -> dict[Text, Message]:
    """By the text in English."""
    found = catalog(language)
    return {tuple(one.id) if isinstance(one.id, (list, tuple)) else one.id: one for one in found if one.id}


def is_complete(message: Message) -> bool:
    """Whether every form of it says something and nobody doubts it."""
    forms = message.string if isinstance(message.string, tuple) else (message.string,)
    return all(forms) and not message.fuzzy


def missing(language: str) -> dict[Text, list[str]]:
    """Texts without a translation, with the files they stand in."""
    known = translated(language)
    return {text: places for text, places in used_texts().items() if text not in known or not is_complete(known[text])}


def unknown(language: str) -> list[Text]:
    """Translations of texts that are nowhere any more."""
    used = used_texts()
    return [text for text in translated(language) if text not in used]


PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*\}|%[sd]")


def placeholder_mistakes(language: str) -> list[tuple[Text, str]]:
    """Translations whose placeholders are others than the text's.

    A form that is for one number alone may say it in a word: "ein Gespräch", "محادثتان".
    """
    mistakes = []
    for text, message in translated(language).items():
        expected = sorted(PLACEHOLDER.findall(text if isinstance(text, str) else text[1]))
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        for number, form in enumerate(forms):
            found = sorted(PLACEHOLDER.findall(form))
            may_lack = len(forms) > 1 and number < len(forms) - 1 and _is_for_one_number(language, number)
            if found != expected and not (may_lack and not found):
                mistakes.append((text, form))
    return mistakes


def _is_for_one_number(language: str, form: int) -> bool:
    plural = catalog(language).plural_forms
    rule = _plural_rule(plural)
    return sum(rule(n) == form for n in range(1000)) == 1


def _plural_rule(plural_forms: str):
    from gettext import c2py

    return c2py(plural_forms.partition("plural=")[2].rstrip(";"))


def fragment(language: str) -> str:
    """What the language lacks, as a .po file without a header: fill in each msgstr and append it to the catalog."""
    part = Catalog(locale=language)
    for text, places in missing(language).items():
        part.add(text, locations=[(place, None) for place in places])
    out = io.BytesIO()
    write_po(out, part, omit_header=True, width=0, sort_output=True)
    return out.getvalue().decode()


def unmarked_words(source: str) -> list[str]:
    """Words of a template that stand there in one language only: outside of expressions, tags and comments."""
    environment = Environment()
    plain = "".join(value if kind == "data" else "\x00" for _line, kind, value in environment.lex(source))
    shown = re.findall(r'(?:aria-label|title|alt|placeholder)="([^"\x00]*)', plain)
    shown += re.sub(r"<!--.*?-->|<(code|kbd)\b[^>]*>.*?</\1>|<[^>]*>", "\x00", plain, flags=re.DOTALL).split("\x00")
    return sorted({word for text in shown for word in re.findall(r"[^\W\d_]{2,}", re.sub(r"&\w+;", " ", text))})


def main() -> int:
    lacking = 0
    for language in TRANSLATED:
        gone = unknown(language)
        lacking += len(missing(language)) + len(gone)
        print(f"# {language}: {len(missing(language))} missing; append to console/translations/{language}.po")
        print(fragment(language))
        for text in gone:
            print(f"# {language}: used nowhere any more, remove it: {text!r}")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
