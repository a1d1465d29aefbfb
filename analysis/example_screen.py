"""Which words of customers may never stand in a prompt as an example: those that speak to the model. Pure.

An example is read with every message of the tenant, so one hostile text would do more harm there than in its own conversation.
"""

import re
import tomllib
import unicodedata
from functools import cache
from importlib.resources import files

MIN_LETTERS = 3
_MARKUP = re.compile(
    r"[{}]|```|~~~|<\s*/?\s*[a-z!|]|\[/?\s*(?:inst|sys)|\|>|&#|&[a-z]{2,8};|^\s*#{2,}", re.IGNORECASE | re.MULTILINE
)
_KEY_AND_VALUE = re.compile(r"""["'“”]\s*:\s*["'“”\d\[tfn-]""")
_SPEAKER = re.compile(r"(?i)(?<!\w)(?:system|assistant|user|human|developer|prompt|instructions?)\s*:")
_LINK = re.compile(
    r"(?i)\bhttps?\s*:|\bwww\.|\b[a-z0-9-]{2,63}\.(?:com|net|org|io|ru|cn|info|biz|link|xyz|top|app|dev|ai|de|tr)\b"
)
_PLACEHOLDER = re.compile(r"\[[A-Z]+_\d+\]")
# Letters of other scripts that look Latin, as tricks use them.
_LOOKALIKES = str.maketrans("аеорсухіѕјԁɡοαερντικ", "aeopcyxisjdgoaepvtik")


def why_not(text: str, *, injection_suspected: bool) -> str | None:
    """Why a stripped text may not become an example, as an admin reads it, or None. The text is never quoted."""
    if injection_suspected:
        return "the message was suspected of giving orders to the model"
    normal = unicodedata.normalize("NFKC", text)
    if _MARKUP.search(normal) or _KEY_AND_VALUE.search(normal):
        return "it holds a fragment of JSON or markup"
    if _SPEAKER.search(normal):
        return "it poses as another speaker"
    if _LINK.search(normal):
        return "it holds a link"
    if language := _order_language(normal):
        return f"it reads like an order to the model ({language})"
    if sum(character.isalnum() or ord(character) > 0x2000 for character in _PLACEHOLDER.sub("", normal)) < MIN_LETTERS:
        return "too little is left to learn from"
    return None


def _order_language(text: str) -> str | None:
    forms = {_letters(text), _letters(text.translate(_LOOKALIKES))}
    return next(
        (language for language, phrases in _phrases() if any(phrase in form for form in forms for phrase in phrases)),
        None,
    )


@cache
def _phrases() -> tuple[tuple[str, tuple[str, ...]], ...]:
    data: dict[str, list[str]] = tomllib.loads((files("analysis") / "order_phrases.toml").read_text(encoding="utf-8"))
    return tuple((language, tuple(_letters(phrase) for phrase in phrases)) for language, phrases in data.items())


def _letters(text: str) -> str:
    """Letters and digits alone, without case, accents and vowel signs, however they are spaced."""
    folded = unicodedata.normalize("NFKD", text.replace("ı", "i").casefold())
    folded = folded.replace("أ", "ا").replace("إ", "ا").replace("آ", "ا").replace("ـ", "")
    return "".join(character for character in folded if character.isalnum())
