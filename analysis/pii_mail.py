"""E-mail addresses, also with "(at)" and "dot", and handles: with an @, or named by the network they belong to."""

import re
from collections.abc import Iterator
from functools import cache

from analysis.pii_draft import Finding, cut_all_from
from analysis.pii_fold import fold
from analysis.pii_words import head_of, places_of

_DOT = r"(?: ?(?:\.|\(\.\)|\[\.\]|[(\[{<]? ?(?:dot|nokta|punkt|punto|point|ponto|kropka|точка|крапка|نقطه|نقطة|दट|डट) ?[)\]}>]?) ?)"
_LABEL = r"[\w\-]{1,63}+"
# In order: real dots, spelled dots; a last label of two letters or more.
_DOMAIN = rf"{_LABEL}(?:{_DOT}{_LABEL}){{1,6}}"
# Starts at the @, which a scan finds quickly. In order: with blanks around it, without, and a domain without a dot.
_AT_SIGN = re.compile(rf"@(?:(?<=[\w.+\-\"'] @) {_DOMAIN}|(?<=[\w.+\-\"']@)(?: ?{_DOMAIN}|[a-z][\w\-]{{1,62}}))")
_SPELLED_AT = re.compile(
    r"[(\[{<] ?(?:at|et|a|arroba|chiocciola|arobase|malpa|собака|равлик|ات|@) ?[)\]}>]"
    r"|[_.\-]at[_.\-]"
    r"| (?:at|arroba|chiocciola|arobase|kuyruklu a|apenstaartje|klammeraffe|malpa|собака|равлик|ات|ایت|ايت)(?= )"
)
_DOMAIN_AFTER = re.compile(rf" ?({_DOMAIN})")
_SPELLED_GATE = (
    "at",
    "arroba",
    "chiocciola",
    "arobase",
    "kuyruklu",
    "apenstaartje",
    "klammeraffe",
    "malpa",
    "(et",
    "[et",
    "(a)",
    "[a]",
    "{et",
    "{a}",
)
_SPELLED_GATE_OTHER = ("собака", "равлик", "ات", "ایت", "ايت")
_LOCAL_BACKWARDS = re.compile(r"[\w.+\-'%&!#$*/=?^`{|}~]{1,64}")
# Read from the @ to the left: "tod" is "dot".
_BACKWARDS = r"(?:tod|atkon|tknup|otnup|tniop|otnop|akporks|erocsrednu|акчот|هطقن)"
_SPELLED_LOCAL_BACKWARDS = re.compile(
    rf"[\w.+\-]{{1,64}}(?:(?: {_BACKWARDS} |[)\]}}>] ?{_BACKWARDS} ?[(\[{{<])[\w.+\-]{{1,64}}){{0,3}}"
)
_MAIL_WORD = re.compile(r"mail|posta|e-post|contact|reach|write|yaz|schreib|correo|courriel|بريد|ايميل|почт|пошт")
_MAIL_HOST = re.compile(
    r"(?:gmail|googlemail|hotmail|outlook|live|yahoo|icloud|proton|protonmail|gmx|web|t-online|yandex|mail|ukr|wp|o2|orange|libero)\.\w{2,3}"
)
_BEFORE_A_PLACE = (
    "me us look see is was store shop available live bought ordered buy order it looked arrived hotel sale"
)
_NOT_A_LOCAL_PART = frozenset(_BEFORE_A_PLACE.split())
_HANDLE = re.compile(r"@(?:(?<![\w@]@)|(?<=\w@)(?=[^\W\d]))(?: (?=[a-z][\w.]{0,30}[_\d]))?[\w](?:[\w.\-]{0,58}\w)?")

_NETWORKS = (
    "instagram insta ig twitter twtr x telegram tg snapchat snap sc tiktok tik_tok facebook fb messenger discord skype wechat venmo cashapp paypal revolut line kik twitch"
    " threads linkedin signal viber vk youtube reddit pinterest انستا انستقرام انستغرام تويتر تلغرام تيليجرام تليجرام سناب تيك_توك فيسبوك"
    " инстаграм инста телеграм телега тг вк вконтакте твиттер इंस्टाग्राम इंस्टा टेलीग्राम اینستاگرام اینستا تلگرام"
    " username user_name user_id handle nickname nick kullanıcı_adı kullanıcı_adım benutzername nutzername pseudo usuario utente gebruikersnaam"
    " nazwa_użytkownika usuário логин никнейм ник логін нік اسم_المستخدم يوزر یوزرنیم نام_کاربری"
)
_BETWEEN = re.compile(
    r"(?:'?[^\W\d_]{0,12})(?P<gap>(?:[ ]{0,2}[:=\-(>]{1,2} ?| )(?:(?:is|id|my|name|handle|username|user|account|acc|page|profile|hesabim|hesabi"
    r"|adim|adi|adresim|profilim|kullanici|heisst|heisse|ist|mein|konto|profil|est|es|e|mi|cuenta|il|mio|het|mijn|to|jest|moj|meu|é|это|мой"
    r"|هو|حسابي|حساب|يوزر|اسمي|है|dan|da|de|den|dm|me|at|on|as|benim|su|as|als|unter)(?:[ ]{0,2}[:=\-] ?| )){0,3})(?P<token>(?:live:)?[a-z0-9_][\w.\-]{1,38}\w)"
)
# Letters and words that mean much else.
_NEEDS_A_COLON = frozenset({"x", "sc", "line", "signal", "fb", "тг", "вк"})
# A message names one to three networks; more are not followed up. Addresses and handles beyond this many are cut in one piece.
MAX_NETWORKS = 24
MAX_ADDRESSES = 40


def _start_backwards(shadow: str, at: int, floor: int, pattern: re.Pattern[str]) -> int | None:
    match = pattern.match(shadow[max(floor, at - 140) : at][::-1])
    return at - match.end() if match else None


def find_mail(shadow: str) -> Iterator[Finding]:
    """E-mail addresses with an @, and addresses without a dot that somebody mistyped."""
    floor = found = 0
    if "@" in shadow:
        for match in _AT_SIGN.finditer(shadow):
            spaced = shadow[match.start() - 1] == " "
            end = match.start() - spaced
            start = _local_start(shadow, end, floor)
            if start is None or not _is_address(shadow[start:end], match[0], spaced=spaced):
                continue
            found += 1
            if found > MAX_ADDRESSES:
                yield from cut_all_from(shadow, start, "@", "EMAIL")
                return
            floor = match.end()
            yield Finding(start, floor, "EMAIL", shadow[start:floor])


def _is_address(local: str, rest: str, *, spaced: bool) -> bool:
    """No address is "3@5", a price, or "me @ example.com", a place."""
    if not any(character.isalpha() for character in local + rest.lstrip("@ ")[:1]):
        return False
    return not (spaced and local in _NOT_A_LOCAL_PART)


def _local_start(shadow: str, at: int, floor: int) -> int | None:
    """Where the part before the @ begins; in quotation marks it may hold blanks: "ada lovelace"@example.com."""
    if shadow[at - 1] == '"':
        opening = shadow.rfind('"', max(floor, at - 66), at - 1)
        return opening if opening >= 0 else None
    return _start_backwards(shadow, at, floor, _LOCAL_BACKWARDS)


def find_spelled_mail(shadow: str) -> Iterator[Finding]:
    """Addresses such as "ada (at) example dot com"; with a bare "at" only when a dot is spelled or mail is spoken of."""
    gates = _SPELLED_GATE if shadow.isascii() else _SPELLED_GATE + _SPELLED_GATE_OTHER
    if not any(gate in shadow for gate in gates):
        return
    floor = found = 0
    for match in _SPELLED_AT.finditer(shadow):
        domain = _DOMAIN_AFTER.match(shadow, match.end())
        if not domain:
            continue
        before = match.start() - (shadow[match.start() - 1 : match.start()] == " ")
        start = _start_backwards(shadow, before, floor, _SPELLED_LOCAL_BACKWARDS)
        if start is None:
            continue
        local = shadow[start:before]
        bare = match[0] == " at"
        spelled_dot = any(character in " ([{<" for character in domain[1])
        evident = (
            spelled_dot or any(character in "._+-0123456789" for character in local) or _MAIL_HOST.match(domain[1])
        )
        if bare and (
            local in _NOT_A_LOCAL_PART or not (evident or _MAIL_WORD.search(shadow, max(floor, start - 40), start))
        ):
            continue
        found += 1
        if found > MAX_ADDRESSES:
            yield from cut_all_from(shadow, start, match[0], "EMAIL")
            return
        floor = domain.end()
        yield Finding(start, floor, "EMAIL", shadow[start:floor])


def find_handles(shadow: str) -> Iterator[Finding]:
    """@handles. Trailing dots belong to the sentence."""
    if "@" in shadow:
        for found, match in enumerate(_HANDLE.finditer(shadow)):
            if found >= MAX_ADDRESSES:
                yield from cut_all_from(shadow, match.start(), "@", "HANDLE")
                return
            yield Finding(match.start(), match.end(), "HANDLE", match[0].lstrip("@ "))


@cache
def _networks() -> tuple[tuple[str, str], ...]:
    """Each network and word for a handle, folded, behind its first letters."""
    words = dict.fromkeys(fold(word.replace("_", " ")) for word in _NETWORKS.split())
    return tuple((head_of(word), word) for word in words)


def find_named_handles(shadow: str, heads: frozenset[str]) -> Iterator[Finding]:
    """Handles without an @ that their network or a word like "username" announces. heads: see heads_of."""
    followed = 0
    for head, network in _networks():
        if head not in heads or network not in shadow:
            continue
        for end in places_of(shadow, network, open_ended=len(network) > 3):
            followed += 1
            if followed > MAX_NETWORKS:
                return
            match = _BETWEEN.match(shadow, end)
            if match and _is_handle(shadow, match, network):
                yield Finding(match.start("token"), match.end("token"), "HANDLE", match["token"])


def _is_handle(shadow: str, match: re.Match[str], network: str) -> bool:
    """Dots, underscores and digits make a handle; a plain word is one only behind a colon and at the end of a clause."""
    token = match["token"]
    announced = any(character in match["gap"] for character in ":=")
    if token[0].isdigit() or (network in _NEEDS_A_COLON and not announced):
        return False
    if not token.isalpha():
        return any(character in "._" for character in token) or token[-1].isdigit()
    follows = shadow[match.end("token") : match.end("token") + 1]
    return announced and token.isascii() and (not follows or follows in ".,;!?)\n")
