"""Links: what leads to a person, an account or a one-time page is cut; pages of a shop stay."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from analysis.pii_draft import Finding, cut_all_from

_BLANK = " \n\x01\x02<>\"'"
_TOKEN = re.compile(r"[^ \n\x01\x02<>\"]{0,4096}")
# A slash or question mark behind letters or a scheme; not the one in "1/2".
_ANCHOR = re.compile(r"[/?w](?:(?<=[a-z]{2}[/?])|(?<=:/)|(?<=w)(?<!\ww)ww\.)")
# A host's name is shorter than this (RFC 1035). More links than that many are cut in one piece.
MAX_HEAD_CHARS = 260
MAX_LINKS = 24
# Pages of shops have shorter addresses.
MAX_PLAIN_CHARS = 400
_WEB = re.compile(r"(?:https?|hxxps?|ftp)://|www\.|(?=(?:[\w\-]{1,63}\.){1,6}[a-z]{2,24}(?::\d{2,5})?[/?#])")
_APP_SCHEME = re.compile(r"(?:tg|whatsapp|skype|viber|fb|instagram|snapchat|sgnl|signal|line|facetime|im|xmpp|sip)://?")
# Pages of people, conversations and shared files; shorteners hide where they lead.
_PERSONAL_HOSTS = re.compile(
    r"(?:^|\.)(?:instagram\.com|instagr\.am|ig\.me|facebook\.com|fb\.com|fb\.me|m\.me|messenger\.com|twitter\.com|x\.com|tiktok\.com|t\.me"
    r"|telegram\.(?:me|dog|org)|wa\.me|whatsapp\.com|linkedin\.com|lnkd\.in|snapchat\.com|threads\.(?:net|com)|pinterest\.\w{2,3}|vk\.com"
    r"|vk\.ru|ok\.ru|github\.com|gitlab\.com|linktr\.ee|paypal\.me|paypal\.com|venmo\.com|revolut\.me|cash\.app|discord\.gg|discord\.com"
    r"|signal\.me|line\.me|viber\.com|skype\.com|bsky\.app|reddit\.com|youtube\.com|youtu\.be|twitch\.tv|medium\.com|tumblr\.com"
    r"|xing\.com|onlyfans\.com|weibo\.com|kick\.com|flickr\.com|soundcloud\.com|strava\.com|about\.me|calendly\.com|zoom\.us"
    r"|bit\.ly|t\.co|tinyurl\.com|goo\.gl|is\.gd|cutt\.ly|ow\.ly|rebrand\.ly|shorturl\.at|t\.ly|rb\.gy|s\.id|v\.gd|tiny\.cc|buff\.ly"
    r"|clck\.ru|u\.to|bl\.ink|short\.io|surl\.li|drive\.google\.com|docs\.google\.com|photos\.google\.com|maps\.google\.com|dropbox\.com"
    r"|wetransfer\.com|we\.tl|icloud\.com|1drv\.ms|onedrive\.live\.com|imgur\.com|ibb\.co|prnt\.sc)$"
)
_SHORT_PATH_HOST = re.compile(r"(?:^|\.)(?:google\.[a-z.]{2,6})$")
# Segments before what belongs to one person: "/u/ada", "/reset/9f8a".
_PERSONAL = """
u user users profile profiles profil profili perfil account accounts konto hesap member members customer customers kunde kunden
reset verify confirm activate invite unsubscribe magic login auth session sessions token share shared s i me people author uye kullanici
password passwort sifre
"""
_PERSONAL_SEGMENTS = frozenset(_PERSONAL.split())
# Segments and words that say that a long number behind them is an article, an order or a parcel.
_BUSINESS_SEGMENT = re.compile(
    r"track|order|parcel|shipment|siparis|takip|kargo|sendung|bestell|commande|pedido|ordine|product|produkt|urun|item|artikel|article|^p$|^dp$"
    r"|^sku$|^gp$|ean|isbn"
)
# Parameters that tell how a page is shown, not whose it is.
_HARMLESS_PARAMETER = re.compile(
    r"(?:utm_(?:source|medium|campaign)|lang|locale|hl|country|region|currency|color|colour|renk|farbe|size|beden|groesse|qty|page|p|sort"
    r"|order_by|sort_by|category|cat|tab|view|filter|variant|sku|product|product_id|item|item_id|ref_src|brand|model)=[\w.\-+%]{0,32}$"
)
_HARMLESS_FRAGMENT = re.compile(r"[a-z_\-/!]{0,32}$")
_WORD_IN_SEGMENT = re.compile(r"[a-z0-9]+")
_CHANGES = re.compile(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])")
_TRAILING = ".,;:!?)]}*_~|'"


def _is_token(word: str) -> bool:
    """Whether a word of a path looks made by a machine for one person: long, or letters and digits mixed."""
    has_digit = any(character.isdigit() for character in word)
    if word.isdigit():
        return len(word) >= 9
    if not has_digit:
        return len(word) > 24
    changes = len(_CHANGES.findall(word))
    return len(word) >= 16 or (len(word) >= 8 and changes >= 3) or (len(word) >= 10 and changes >= 2)


def _is_private_path(path: str) -> bool:
    segments = [segment for segment in path.split("/") if segment]
    business = False
    for index, segment in enumerate(segments):
        if segment.startswith(("@", "~")) or (index + 1 < len(segments) and segment in _PERSONAL_SEGMENTS):
            return True
        business = business or bool(_BUSINESS_SEGMENT.search(segment))
        for word in _WORD_IN_SEGMENT.findall(segment):
            if _is_token(word) and not (business and _is_business_code(word)):
                return True
    return False


def _is_business_code(word: str) -> bool:
    """Numbers, and codes like Amazon's ten characters, right behind a segment that says what they are."""
    return word.isdigit() or len(word) <= 10 or word.startswith("1z")


def _is_private(url: str) -> bool:
    """Whether a link (without trailing punctuation) leads to more than a page of a shop."""
    if len(url) > MAX_PLAIN_CHARS:
        return True
    rest = url.partition("://")[2] or url
    if "%" in rest:
        rest = unquote(rest)
    if "@" in rest:
        return True
    rest, _, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    host, _, path = rest.partition("/")
    host = host.partition(":")[0]
    if host.replace(".", "").isdigit():
        return True
    if _PERSONAL_HOSTS.search(host):
        return bool(path.strip("/") or query or fragment)
    if _SHORT_PATH_HOST.search(host) and path.startswith("maps"):
        return True
    if not _HARMLESS_FRAGMENT.match(fragment):
        return True
    for parameter in re.split(r"[&;]", query) if query else ():
        if not _HARMLESS_PARAMETER.match(parameter):
            return True
    return _is_private_path(path)


def _links(shadow: str) -> Iterator[tuple[int, int, bool]]:
    """(start, end, belongs to an app) of what looks like a link, trailing punctuation left off."""
    position = 0
    for anchor in _ANCHOR.finditer(shadow):
        at = anchor.start()
        if at < position:
            continue
        start = max(position, max(shadow.rfind(blank, position, at) for blank in _BLANK) + 1)
        token = _TOKEN.match(shadow, start)
        assert token
        position = max(token.end(), at + 1)
        head = token[0][:MAX_HEAD_CHARS]
        app = _APP_SCHEME.search(head)
        found = app or _WEB.search(head)
        # "mailto:ada@example.com?subject=…" is mail, which has a rule of its own.
        if found and not (found.start() and head[found.start() - 1] == "@"):
            yield start + found.start(), start + len(token[0].rstrip(_TRAILING)), bool(app)


def find_links(shadow: str) -> Iterator[Finding]:
    """Private links, as cut; other links, as kept, so that no other rule reads numbers out of them."""
    if "/" not in shadow and "?" not in shadow and "www." not in shadow:
        return
    for count, (start, end, app) in enumerate(_links(shadow)):
        if count >= MAX_LINKS:
            yield from cut_all_from(shadow, start, "/", "URL")
            return
        url = shadow[start:end]
        yield Finding(start, end, "URL" if app or _is_private(url) else None, url)
