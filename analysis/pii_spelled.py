"""Phone numbers said in words ("sıfır beş yüz otuz iki …"), and secrets that show themselves: tokens and wallets."""

import re
from collections.abc import Iterator
from functools import cache

from analysis.pii_draft import Finding
from analysis.pii_fold import fold

# Digits and what is said for two or three at once: zero to nine, tens and hundreds.
_NUMBER_WORDS = """
zero oh one two three four five six seven eight nine double triple hundred ten twenty thirty forty fifty sixty seventy eighty ninety
sıfır bir iki üç dört beş altı yedi sekiz dokuz yüz on yirmi otuz kırk elli altmış yetmiş seksen doksan
null eins zwei zwo drei vier fünf sechs sieben acht neun zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig
صفر واحد اثنين اثنان ثلاثة ثلاثه تلاتة أربعة اربعة خمسة ستة سبعة سبعه ثمانية تمانية تسعة
zéro un deux trois quatre cinq sept huit neuf cero uno dos tres cuatro cinco seis siete ocho nueve
due tre quattro cinque sei sette otto nove nul een twee drie vijf zes zeven negen
ноль нуль один два три четыре пять шесть семь восемь девять чотири п'ять шість сім вісім дев'ять
um dois três quatro sete oito शून्य एक दो तीन चार पांच छह सात आठ नौ یک دو سه چهار پنج شش هفت هشت نه
"""
# A phone has seven digits or more; in pairs and hundreds ("beş yüz otuz iki") six words hold as many.
_LEAST_WORDS = 6
_WORD = re.compile(r"[^\W_]+")
_JOINT = re.compile(r"[ ,.\-/\n]{0,3}$")
_TOKEN_GATE = re.compile(r"eyj|0x[0-9a-f]{40}|bc1|sk_|pk_|ghp_|xox|akia")
_TOKEN = re.compile(
    r"(?<![\w])(?:eyj[\w\-]{10,2000}(?:\.[\w\-]{2,2000}){0,2}|0x[0-9a-f]{40}|bc1[a-z0-9]{25,60}|[sp]k_(?:live|test)_\w{10,120}"
    r"|ghp_\w{20,60}|xox[abprs]-[\w\-]{10,120}|akia[a-z0-9]{16})(?!\w)"
)


@cache
def _number_words() -> tuple[frozenset[str], frozenset[str]]:
    """The words, and the first three letters of each."""
    words = frozenset(fold(word) for word in _NUMBER_WORDS.split())
    return words, frozenset(word[:3] for word in words)


def find_spelled_numbers(shadow: str, heads: frozenset[str]) -> Iterator[Finding]:
    """Six words for digits in a row and more. heads: see heads_of."""
    words, beginnings = _number_words()
    if len(heads & beginnings) < 2:
        return
    start = end = count = 0
    for match in _WORD.finditer(shadow):
        is_number = match[0] in words or (match[0].isdigit() and len(match[0]) < 4)
        joined = count and _JOINT.match(shadow[end : match.start()])
        if is_number and joined:
            count += match[0] in words
            end = match.end()
            continue
        if count >= _LEAST_WORDS:
            yield Finding(start, end, "PHONE", shadow[start:end])
        count = int(match[0] in words)
        start, end = match.span()
    if count >= _LEAST_WORDS:
        yield Finding(start, end, "PHONE", shadow[start:end])


def find_tokens(shadow: str) -> Iterator[Finding]:
    """Access tokens, API keys and wallets by their beginnings."""
    if _TOKEN_GATE.search(shadow):
        for match in _TOKEN.finditer(shadow):
            yield Finding(match.start(), match.end(), "SECRET", match[0])
