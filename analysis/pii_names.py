"""Names this very contact is known by: cut as a whole and word by word, but never at the price of everyday words.

A word that is also an everyday word ("May", "Can", "Order") is cut only where it shows itself to be the name: beside another word of
the name, after "I am" or "adım", before a title, or with a capital inside a sentence (which says nothing of months and German nouns).
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from analysis.pii_draft import Draft, Finding
from analysis.pii_fold import fold
from analysis.pii_words import kind_of

MIN_NAME_CHARS = 3
MAX_WORDS = 16
# More places of one word are everyday use or an attack; the rest of them stay.
MAX_PLACES = 256
# Cases may be glued on: "Mehmetin", "Lovelaces". Only onto names this long, because "Ada" + "m" is a man.
_MIN_INFLECTED_CHARS = 4

# First names that are words, then words that are put into name fields, then particles of names.
_EVERYDAY = """
can will mark order art bill hope grace joy faith rose summer pat sunny angel dawn eve frank grant jack guy rich
max sue van miles chase hunter major king prince earl duke page drew rob don ray dean lane love star sky rain river forest stone young
long short white black brown green gray grey gold silver good best new old little small big bush wood hill field banks price cash penny
rusty sandy ginger olive basil clove iris lily violet daisy ivy amber ruby pearl jade crystal opal melody harmony carol noel christian
deniz umut barış savaş güneş yıldız gül çiçek bahar yaz ekim eylül kaya demir taş su toprak yağmur bulut ışık sevgi mutlu güzel şeker
aslan kurt doğan şahin kartal çelik altın gümüş özgür onur emek ilk son sevim yeter dursun bayram ramazan ümit can cem ece evren
deren dilek ipek inci mercan pınar derya devrim zafer ülkü yener uzun kısa büyük küçük kara ak sarı yeşil mavi polat koç çoban kılıç
كريم جميل سعيد امل نور سلام سعد فرح هدى سمر ربيع جمال كمال حسن صالح عادل امين خالد ماجد شريف حبيب عزيز وحيد فريد وفاء ايمان رحمه
نصر فهد اسد ليث صقر ياسمين ورد زهره قمر شمس نجم ريم غزال حياه دنيا منى سما رضا محمود
rosa flor luz sol mar paz amor cruz reyes santos campo iglesia rico bueno bello bella pino fiore rossi gioia serena felice vera petit
grand bon beau belle blanc noir fort roche pierre claire aurore вера надежда любовь мир роман лев слава ясна надія
admin user customer client kunde müşteri عميل contact unknown guest name test info shop store support service sales team office company
whatsapp instagram telegram facebook business official help home mom dad mum baby boss brother sister anne baba abla abi kardeş hoca
mr mrs ms miss dr prof bey hanım herr frau sir madam señor señora monsieur madame abu bin ibn bint umm al el von der den van den del
della dos das das da de la le ben und and the of ابو ام ابن بن بنت عبد ال
"""
# Months, and German nouns and words: a capital says nothing.
_WRITTEN_LARGE = """
may june april august mai juni juli wolf klein groß lang kurz schwarz weiß braun roth jung alt neu gut sommer winter herbst stark frei fuchs vogel hahn fischer müller koch
bauer richter kaiser könig herzog graf ernst engel berg bach stein baum busch feld wald kern sonntag montag freitag mai heute gern
"""
_ENDINGS = """
in ın un ün nin nın nun nün e a ye ya i ı u ü yi yı yu yü de da den dan te ta ten tan le la yle yla im ım um cim cım s es
а я ы и у ю е ой ей ом ем ою ею ові еві
"""
_REST_OF_WORD = re.compile(r"[^\W\d_]{1,5}")
_CYRILLIC_STEM = re.compile("^[а-яіїєґ]{3,}[аяьй]$")
_WORD = re.compile(r"[^\W\d_]+")
_BETWEEN = re.compile(r"[ \-']{1,2}")
_HANDLE = re.compile(r"[\d_.]")
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")  # Thai, Japanese, Chinese: no blanks between words
_INTRODUCED = re.compile(
    r"(?:(?<![a-z])(?:i am|i'm|im|my name is|name's|name:|ben|adim|ismim|ich bin|mein name ist|ich heisse|ich heise|je m'appelle|me llamo|soy"
    r"|mi chiamo|ik ben|mijn naam is|nazywam sie|jestem|meu nome e|mr|mrs|ms|herr|frau|sayin|dear)"
    r"|اسمي|انا|السيد|السيده|меня зовут|мене звати|मेरा नाम|نام من)[ .:]{1,2}$"
)
_INSIDE = re.compile(r"[^\W\d_,'] ")
_TITLED = re.compile(r" (?:bey|hanim|abi|abla|hoca)")
_ARABIC_PREFIX = re.compile("(?<![^\\W_])[وفبلك]{0,2}(?:ال|لل)?$")


@cache
def _everyday() -> frozenset[str]:
    return frozenset(fold(word) for word in _EVERYDAY.split()) | _written_large()


@cache
def _written_large() -> frozenset[str]:
    return frozenset(fold(word) for word in _WRITTEN_LARGE.split())


@cache
def _endings() -> frozenset[str]:
    return frozenset(fold(ending) for ending in _ENDINGS.split())


def _is_everyday(word: str) -> bool:
    if _UNSPACED.match(word):
        return False
    return len(word) < MIN_NAME_CHARS or word in _everyday() or kind_of(word) is not None


def _words_of(names: Sequence[str]) -> list[str]:
    """Folded words of all names, longest first; handles and numbers are for other rules."""
    words: set[str] = set()
    for name in map(fold, names):
        plain = name.partition("@")[0] or name.strip("@")  # "ada@example.com" and "@ada_l" as names of a contact
        if " " not in plain and _HANDLE.search(plain):
            words.add(plain)
        else:
            words.update(word for word in _WORD.findall(plain + " " + plain.replace("'", "")) if len(word) > 1)
    return sorted(words, key=lambda word: (-len(word), word))[:MAX_WORDS]


def _end_of_word(shadow: str, word: str, end: int) -> int | None:
    """Where the name ends with the case ending glued to it; None when it is the beginning of another word."""
    rest = _REST_OF_WORD.match(shadow, end)
    if not rest:
        return end if not shadow[end : end + 1].isdigit() and shadow[end : end + 1] != "_" else None
    inflected = len(word) >= _MIN_INFLECTED_CHARS or len(rest[0]) > 2 or rest[0] == "s"
    if inflected and rest[0] in _endings():
        return rest.end()
    return None


def _places(shadow: str, word: str) -> Iterator[tuple[int, int]]:
    """Where the word stands as a word of its own."""
    # "Анна" is "Анны", "Анне", "Анной" in the other cases.
    stem = word[:-1] if _CYRILLIC_STEM.match(word) else word
    start = shadow.find(stem)
    while start >= 0:
        after = start + len(stem)
        end = after if _UNSPACED.match(word) else _end_of_word(shadow, word, after)
        if end is not None and stem != word and end == after:
            end = None
        front = start
        if start and not _UNSPACED.match(word) and (shadow[start - 1].isalnum() or shadow[start - 1] == "_"):
            prefix = (
                _ARABIC_PREFIX.search(shadow, max(0, start - 4), start) if "\u0620" <= word[0] <= "\u064a" else None
            )
            front = start if prefix and prefix[0] else -1
        if end is not None and front >= 0:
            yield start, end
        start = shadow.find(stem, after)


def _shows_itself(draft: Draft, start: int, end: int) -> bool:
    """Whether an everyday word is used as a name here: introduced, with a title or a capital; and not written small."""
    if draft.original(start, start + 1).islower():
        return False
    shadow = draft.shadow
    if _INTRODUCED.search(shadow[max(0, start - 24) : start]) or _TITLED.match(shadow, end):
        return True
    written = draft.original(start, end)
    inside_a_sentence = _INSIDE.fullmatch(shadow[max(0, start - 2) : start]) is not None
    return inside_a_sentence and written.istitle() and shadow[start:end] not in _written_large()


def find_names(draft: Draft, names: Sequence[str]) -> Iterator[Finding]:
    """Every place of the contact's names; neighbouring words of a name are one place."""
    shadow = draft.shadow
    places: list[tuple[int, int, bool]] = []
    for word in _words_of(names):
        if word not in shadow and not _CYRILLIC_STEM.match(word):
            continue
        everyday = _is_everyday(word)
        for start, end in _places(shadow, word):
            places.append((start, end, not everyday))
            if len(places) >= MAX_PLACES:
                break
    chain: list[tuple[int, int, bool]] = []
    for place in sorted(places):
        if chain and place[0] < chain[-1][1]:
            continue
        if chain and not _belongs_to(shadow, chain[-1], place):
            yield from _chain_finding(draft, chain)
            chain = []
        chain.append(place)
    yield from _chain_finding(draft, chain)


def _belongs_to(shadow: str, before: tuple[int, int, bool], place: tuple[int, int, bool]) -> bool:
    """Whether two places are parts of one name: different words with no more than a blank or a hyphen between."""
    between = shadow[before[1] : place[0]]
    return bool(_BETWEEN.fullmatch(between)) and shadow[before[0] : before[1]] != shadow[place[0] : place[1]]


def _chain_finding(draft: Draft, chain: list[tuple[int, int, bool]]) -> Iterator[Finding]:
    if not chain:
        return
    start, end = chain[0][0], chain[-1][1]
    capitals = all(not draft.original(first, first + 1).islower() for first, _, _ in chain)
    certain = any(strong for _, _, strong in chain)
    if certain or (len(chain) > 1 and capitals) or (len(chain) == 1 and _shows_itself(draft, start, end)):
        yield Finding(start, end, "NAME", draft.shadow[start:end])
