"""Values that a word before them gives away: passports and other identities, birth dates, card codes, accounts, plates."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from analysis.pii_checksums import is_lettered_id
from analysis.pii_draft import Finding
from analysis.pii_fold import fold
from analysis.pii_words import head_of, kind_of, places_of

# Each label found costs a few µs. A message has one to three; labels beyond this many are not followed up.
MAX_LABELS = 32

# A label, and the rest of its word, then up to four words that are no value ("number is", "numaram").
_REST = r"[^\W\d_]{0,24}(?:'[^\W\d_]{1,4})?"
_GAP = r"(?:[^\w\x01\x02,;!?\n]{1,4}[^\W\d_]{1,20}){0,4}?[^\w\x01\x02,;!?]{0,5}?"
_START = r"(?<![a-z0-9])"
_MORE = r"(?:[ .\-/]{1,3}(?!\d{1,2}:\d\d)(?:[a-z]{0,2}\d[a-z0-9]{0,12}|[a-z](?![^\W_])|[a-z]{1,2}(?=[ .\-/]\d))){0,14}"
# In order: a British licence, something solid of some length, groups.
_IDENTITY = (
    rf"{_START}(?!(?:is|no|nr|ist|of|on|in|at|to|my) )(?:[a-z9]{{5}} ?\d{{6}} ?[a-z0-9]{{2,5}}(?![a-z0-9])"
    rf"|(?:[a-z]{{1,6}}[ \-]?)?\d[a-z0-9]{{6,19}}(?:-[a-z0-9]|(?<=[ \-]\d{{7}}) \d{{1,3}})?(?![a-z0-9])(?![.\-/]\d)"
    rf"|(?:[a-z]{{0,6}}|[a-z]{{1,3}}[ .\-/])\d[a-z0-9]{{0,19}}{_MORE})"
)
_DIGITS = r"(?<!\d)\d(?:[ .\-/]?\d){4,24}"
_MONTH_NAME = r"[^\W\d_]{3,12}"
_BIRTH_YEAR = r"(?:(?:1[34]|19|20)\d\d|\d\d)"
_BIRTH_DATE = (
    rf"(?<!\d)(?:\d{{1,2}}[.\-/ ]{{1,2}}(?:\d{{1,2}}|(?:de )?{_MONTH_NAME})[.,\-/ ]{{1,2}}(?:de )?{_BIRTH_YEAR}"
    rf"|(?:1[34]|19|20)\d\d[.\-/ ]\d{{1,2}}[.\-/ ]\d{{1,2}}|{_MONTH_NAME}\.? \d{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)\d\d"
    rf"|(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])(?:19|20)\d\d)(?!\d)"
)
_CARD_CODE = r"(?<!\d)\d(?: ?\d){2,3}(?![\d.,:/])"
_PLATE = (
    rf"{_START}(?:\d{{2}} ?[a-z]{{1,3}} ?\d{{2,5}}|[a-z]{{1,3}}[ \-][a-z]{{1,2}}[ \-]?\d{{1,4}}[eh]?|[a-z]{{2}}[ \-]?\d{{2}}[ \-]?[a-z]{{1,3}}"
    rf"(?:[ \-]?\d{{4}})?|\d{{4}} ?[a-z]{{3}}|\d[a-z]{{3}}\d{{3}}|(?=[a-z]{{0,7}}\d)(?=\d{{0,7}}[a-z])[a-z0-9]{{5,8}}|[a-z]{{2}}[ \-]?\d{{3}}[ \-]?[a-z]{{2}}|[a-z]{{1,3}}[ \-]?\d{{3,5}}[a-z]{{0,2}})(?![a-z0-9])"
)


@dataclass(frozen=True)
class _Rule:
    """labels: words as people write them; a star is any ending."""

    kind: str
    labels: str
    value: str
    least_characters: int = 1


_RULES = (
    _Rule(
        "ID",
        "passport* pasaport* reisepass* ausweis* personalausweis* perso identity* kimlik* tckn tc t.c ssn nino nin dni nie nif cuit curp"
        " steuer-id* steuerid* steueridentifikation* steuernummer* steuer-nr* idnr sozialvers* sv-nummer* svnr sv-nr*"
        " rentenvers* krankenvers* versichertennr* versichertennummer* versicherungsnummer* führerschein* ehliyet* sürücü_belgesi*"
        " social_security national_insurance ni_number ni_no nhs national_id id_card id_no id_number id_nr id_is id: my_id driving_licen*"
        " driver's_licen* driver_licen* drivers_licen* licence_no* license_no* emirates_id iqama* tax_id tin itin imei meid vin şasi_no* fahrgestell* fin:"
        " vergi_no* vergi_kimlik* seri_no sgk_no* uyruk*"
        " جواز* هوية* هويتي* الهوية* اقامة* إقامتي* الرقم_القومي رقمي_القومي رخصة* الرقم_الضريبي بطاقة_شخصية"
        " passeport* carte_d'identité* sécurité_sociale sécu nir permis_de_conduire numéro_fiscal pièce_d'identité"
        " pasaporte* seguridad_social cédula* documento_de_identidad documento carnet* permiso_de_conducir nuss"
        " passaporto* carta_d'identità* codice_fiscale cod_fiscale c.f patente* tessera_sanitaria"
        " paspoort* bsn burgerservicenummer* rijbewijs* identiteitskaart* sofinummer"
        " paszport* pesel* dowód* dowod* dowodu prawo_jazdy nip"
        " passaporte* cpf cnpj rg identidade cnh cartão_de_cidadão"
        " паспорт* снилс* инн полис* удостоверен* водительск* загранпаспорт* посвідчен* рнокпп іпн ідентифікаційн* свідоцтв*"
        " aadhaar* aadhar* pan_card pan_no* pan_number pan: voter_id आधार* पैन* पासपोर्ट* पहचान*"
        " کد_ملی* کدملی* شماره_ملی گذرنامه* پاسپورت* شناسنامه* گواهینامه*",
        _IDENTITY,
        5,
    ),
    _Rule(
        "DATE_OF_BIRTH",
        "geb geboren* geburtsdatum* geburtstag* doğum* d.tarih* d._tarih* d.t. dob d.o.b birth* date_of_birth born birthdate* doğumlu*"
        " ميلاد* ميلادي* مولود* مواليد* naissance* né née nacimiento* nacido* nacida* nací fecha_nac* nascita* nato nata geboorte* geb."
        " urodzenia* urodzin* urodzony* urodzona* ur nascimento* nasci nascido* nascida* рожден* родил* д.р народжен* народив* जन्म* تولد*"
        " متولد*",
        _BIRTH_DATE,
    ),
    _Rule(
        "CARD_CODE",
        "cvv* cvc* cv2 csc cvn security_code güvenlik_kod* prüfziffer* prüfnummer* prüfnr kartenprüf* sicherheitscode* رمز_الامان رمز_الأمان"
        " code_de_sécurité cryptogramme* código_de_seguridad codice_di_sicurezza beveiligingscode kod_bezpieczeństwa"
        " código_de_segurança код_безопасности",
        _CARD_CODE,
    ),
    _Rule(
        "ACCOUNT",
        "account* acct* acc a/c sort sort_code routing* hesap* hesab* konto* kontonummer* blz bankleitzahl* رقم_الحساب حساب* حسابي* compte*"
        " cuenta* conto* rekening* konta* conta* счёт* счет* рахунок* खाता* حساب*",
        _DIGITS,
        6,
    ),
    _Rule(
        "SECRET",
        "password* passwort* kennwort* şifre* parola* pwd كلمة_السر كلمة_المرور mot_de_passe contraseña* wachtwoord* hasło* senha* пароль*"
        " पासवर्ड* رمز_عبور",
        r"(?<=[:=] )(?=[^\s\x01\x02]{0,39}\d)[^\s\x01\x02]{4,40}|(?<=[:=])(?=[^\s\x01\x02]{0,39}\d)[^\s\x01\x02]{4,40}",
    ),
    _Rule(
        "PLATE",
        "plaka* plate* registration_plate license_plate* kennzeichen* لوحة* اللوحة* immatriculation* plaque* matrícula* targa* kenteken*"
        " rejestracyjn* placa* госномер* номерной_знак номерний_знак पंजीकरण* پلاک*",
        _PLATE,
    ),
)
# Starts at the first digit of a group, because a scan for digits is quick, and looks back for the letters before it.
# "lettered": Spain's DNI and NIE, India's PAN, Italy's codice fiscale, and a Corsican number of the French social security.
# "nino": UK National Insurance, two letters (not D, F, I, Q, U, V; second not O), six digits, A to D. "ssn": US social security.
_SHAPED = re.compile(
    r"\d(?<!\d\d)(?:(?P<lettered>(?:\d{7}[ \-.]?[a-z]|\d\.\d{3}\.\d{3}[ \-]?[a-z]"
    r"|\d{6}(?:(?<=[xyz]\d{7})|(?<=[xyz][ \-.]\d{7}))[ \-.]?[a-z]|\d{3}(?<=[a-z]{5}\d{4})[a-z]"
    r"|\d(?:(?<=[a-z]{6}\d\d)|(?<=[a-z]{6}[ \-]\d\d))[a-z]\d\d[ \-]?[a-z]\d{3}[a-z]|\d{5}2[ab]\d{8})(?![a-z0-9]))"
    r"|(?P<ssn>(?<!-\d)(?<!000|666)\d\d-(?!00)\d\d-(?!0000)\d{4}(?![\d\-]))"
    r"|(?P<nino>(?:(?<=[abceghj-prstw-z][abceghj-nprstw-z]\d)|(?<=[abceghj-prstw-z][abceghj-nprstw-z] \d))"
    r"\d ?\d\d ?\d\d ?[a-d](?![a-z0-9])))"
)
# All but the Corsican one end in a single letter.
_SHAPED_GATE = re.compile(r"\d(?!\d)(?:[ \-.]?[a-z](?![a-z])|-\d\d-\d{4}|[ab]\d{8})")
_LETTERS_BEFORE = re.compile(r"(?<![a-z0-9])(?:[xyz][ \-.]?|[a-z]{5,6}[ \-]?)?$")
_NINO_LETTERS = re.compile(r"(?<![a-z0-9])[a-z]{2} ?$")
# More are cut without asking for their checksum.
MAX_CHECKED = 12
_BORN_AFTER = re.compile(
    rf"({_BIRTH_DATE}) ?(?:'?l[iu] )?(?:dogum|dogdu|geboren|born|г\\.? ?р\\b|года? рожд|рожд|народж|р\\. ?н|urodz|مواليد|متولد)"
)
_BORN_GATE = re.compile(r"dogum|dogdu|geboren|born|г\.? ?р|рожд|народж|р\. ?н|urodz|مواليد|متولد")
_COMPACT = re.compile(r"[^a-z0-9]")
_WORD_BEFORE = re.compile(r"([^\W\d_]+)[ \-]$")
_PASSPORT_SHAPE = re.compile(r"[a-z]{1,2} ?\d{6,8}")


class _Label(NamedTuple):
    """A folded label, whether an ending may follow it, its rule, and the pattern that starts right behind it."""

    word: str
    open_ended: bool
    rule: _Rule
    pattern: re.Pattern[str]


@cache
def _labels() -> dict[str, list[_Label]]:
    """All labels by the first letters of their first word. In each list, earlier rules come first."""
    labels: dict[str, list[_Label]] = {}
    for rule in _RULES:
        pattern = re.compile(rf"({_REST}{_GAP})({rule.value})")
        for label in sorted(set(rule.labels.split())):
            word = fold(label.rstrip("*").replace("_", " "))
            labels.setdefault(head_of(word), []).append(_Label(word, label.endswith("*"), rule, pattern))
    return labels


def _fits(rule: _Rule, gap: str, value: str) -> bool:
    compact = _COMPACT.sub("", value)
    digits = sum(character.isdigit() for character in compact)
    if len(compact) < rule.least_characters:
        return False
    if rule.kind == "ID":
        if digits < (2 if len(compact) >= 8 else 4):
            return False
        business = any(kind_of(word) == "business" for word in re.findall(r"[^\W_]+", gap))
        return not business or bool(_PASSPORT_SHAPE.fullmatch(value))
    return True


def find_labelled(shadow: str, heads: frozenset[str]) -> Iterator[Finding]:
    """Identities, birth dates, card codes, accounts and plates that a word before them names. heads: see heads_of."""
    followed = 0
    labels = _labels()
    # In a fixed order, so that the same text gives the same answer also when the budget runs out.
    for head in sorted(heads & labels.keys()):
        for label in labels[head]:
            if label.word not in shadow:
                continue
            for end in places_of(shadow, label.word, open_ended=label.open_ended):
                followed += 1
                if followed > MAX_LABELS:
                    return
                if label.word.startswith("id") and _is_of_a_thing(shadow, end - len(label.word)):
                    continue
                match = label.pattern.match(shadow, end)
                if match and _fits(label.rule, match[1], match[2]):
                    yield Finding(match.start(2), match.end(2), label.rule.kind, _COMPACT.sub("", match[2]))


def _is_of_a_thing(shadow: str, start: int) -> bool:
    """Whether "id" belongs to the word before it: "order id", "Sendungs-ID"."""
    before = _WORD_BEFORE.search(shadow, max(0, start - 24), start)
    return before is not None and kind_of(before[1]) in {"business", "thing"}


def find_birth_dates(shadow: str) -> Iterator[Finding]:
    """Birth dates with their word behind them: "01.05.1990 doğumluyum"."""
    if _BORN_GATE.search(shadow):
        for match in _BORN_AFTER.finditer(shadow):
            yield Finding(match.start(1), match.end(1), "DATE_OF_BIRTH", _COMPACT.sub("", match[1]))


def find_shaped_ids(shadow: str) -> Iterator[Finding]:
    """Identities that show themselves by their shape and check letters, and US social security numbers by their dashes."""
    if not _SHAPED_GATE.search(shadow):
        return
    for count, match in enumerate(_SHAPED.finditer(shadow)):
        if match.lastgroup == "ssn":
            yield Finding(match.start(), match.end(), "ID", _COMPACT.sub("", match[0]))
            continue
        if count >= MAX_CHECKED:
            yield Finding(match.start(), match.end(), "ID", match[0])
            continue
        letters = _LETTERS_BEFORE if match.lastgroup == "lettered" else _NINO_LETTERS
        before = letters.search(shadow, max(0, match.start() - 8), match.start())
        if not before:
            continue
        compact = _COMPACT.sub("", shadow[before.start() : match.end()])
        if match.lastgroup == "nino" or is_lettered_id(compact):
            yield Finding(before.start(), match.end(), "ID", compact)
