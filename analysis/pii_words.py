"""Words that say what a number is: the business's own, a phone, an identity, an account. In the languages customers write.

Written as people write them and folded like the text (analysis.pii_fold), so `sipariş` finds `Siparis` too. A star is any ending.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

from analysis.pii_fold import fold

Kind = Literal["business", "thing", "number", "glue", "phone", "id"]

# A number right after one of these is the business's own: it stays, agents and the model need it.
_BUSINESS = """
order* dispatch* docket* tracking* track invoice* booking* reservation* ticket* case reference* ref refs parcel* shipment* consignment* awb rma
waybill* package* receipt* voucher* coupon* serial* sku ean gtin isbn upc barcode* pnr confirmation* sn asin
sipariş* sip takip* fatura* kargo* dekont* rezervasyon* bilet* talep* gönderi* irsaliye* barkod* seri referans* ord inv
bestell* sendung* rechnung* auftrag* buchung* paket* vorgang* reservierung* lieferschein* kundennummer* kundennr kdnr artikel*
seriennummer* gutschein* referenz* retoure* beleg* trackingnummer* frachtbrief* zählernummer*
طلب* شحنة* تتبع* فاتورة* حجز* تذكرة* بوليصة* اوردر* مرجع* تسلسلي* شحنتي طلبية* طلبيه* فاتورتي حجزي
factura* guía* guias commande* colis suivi* facture* réservation* dossier* référence* expédition* billet*
pedido* envío* seguimiento* reserva* rastreo* referencia* albarán* billete* localizador*
ordine* ordini spedizione* tracciamento* fattura* prenotazione* pacco* riferimento* pratica* biglietto* ricevuta*
zending* pakket* factuur* boeking* reservering* referentie*
zamówien* przesył* faktur* rezerwacj* paczk* śledzen* zlecen* reklamacj*
encomenda* rastreio* rastreamento* remessa* protocolo*
заказ* посылк* отправлен* трек* накладн* брон* билет* квитанц* чек отслеживан* заявк*
замовлен* посилк* відправлен* ттн квитк*
ऑर्डर* आर्डर* ट्रैकिंग* शिपमेंट* इनवॉइस* बुकिंग* पार्सल*
سفارش* پیگیری* مرسوله* فاکتور* رزرو* رهگیری* رسید* بلیط*
"""
# These are the business's own only with a word for "number" behind them: "customer no. 123", not "customer 123".
_THING = """
customer* return* contract* vertrag* mitglied* police policy delivery product* item* model* part transaction* txn claim* job quote purchase po batch lot
article* meter* subscription* flight* case* shop store branch complaint*
müşteri* iade* ürün* stok* abone* sözleşme* poliçe* işlem* kayıt* şikayet* sefer* uçuş* mağaza* teslimat*
kunden* kunde vertrag* modell* liefer* produkt* zähler* fall* flug* zug* filiale*
عميل* منتج* عملية* شكوى* رحلة* توصيل*
client* réclamation* produit* vol cliente* caso incidencia* producto* prodotto* klant* klient* produto* nota
клиент* договор* счёт* счет* клієнт* договір* рахун* बिल ग्राहक بسته* مشتری* محصول*
"""
_NUMBER = """
no nr nu num number* numbers id ids code codes nº n kod* kodu kodum numara* nolu nummer* numéro* numero* número* numer*
номер* № رقم* नंबर* شماره* nros nro ref kennung digits digit haneli stellige* أرقام کد
"""
_GLUE = """
is was are the my our your its this that a with of ist war lautet die der das den meine mein meiner mit unter vom von
est le la les mon ma mes votre es el mi su il lo mio mia è het mijn de to jest mój moje o meu minha é und
это мой моё мой і є мій моє है मेरा मेरी का की है است من هو هي هذا ذو صاحب ذات في بـ şu bu olan benim and ve
"""
_PHONE = """
phone* tel tele telephone* mobile* cell* gsm cep* telefon* whatsapp* whatsap* wp wsp wa whats call* ring text sms reach* viber
ara aradı* arıyor* arama* arayın arayin arayabilirsiniz arar numaram numaramı numaramdan hattım ulaş* faks fax handy* rufnummer* anruf* anrufen ruf*
rückruf* erreich* mobil* festnetz* durchwahl
هاتف* جوال* موبايل* رقمي رقمى اتصل* اتصال* واتس* كلم* تلفون* تليفون* محمول* نقال* تواصل*
téléphone* portable* appel* rappel* joign* móvil* movil teléfono* celular* llam* telemóvel* cellulare* chiama* telefono*
bel bellen gsmnummer telefoon* komórk* dzwon* zadzwoń* ligar ligue liga
телефон* тел моб мобильн* звон* позвон* вайбер* ватсап* вотсап* телеграм* дзвон* подзвон* мобільн*
फोन* मोबाइल* कॉल* व्हाट्सएप* تلفن* موبایل* تماس* همراه*
"""
# Only for telling a number's kind; analysis.pii_labels has the labels of identities and what may follow each.
_ID = """
passport* pasaport* reisepass* ausweis* personalausweis* kimlik* tckn tc ssn nino identity* هوية* هويتي جواز* passeport* pasaporte*
passaporto* паспорт* aadhaar* pesel cpf bsn iban* kart kartım card cards karte kreditkarte* بطاقة* carte tarjeta* carta карта*
"""
_LONGEST_STEM = 16
_SHORTEST_STEM = 2
_HEAD = 3
_WORD = re.compile(r"[^\W_]+")
# Arabic writes "and", "with", "for" and "the" onto the word.
_ARABIC_PREFIX = re.compile("^[وف]?[بلك]?(?:ال|لل|ل)?(?=[\u0620-\u064a]{3})")
# A comma, a full stop after a real word, a line break or something already found: words before it are about something else.
_CLAUSE_END = re.compile(r"[\x01\x02,;!?\n]|(?<=\w{4})\.(?=\s)")
_WINDOW_CHARS = 64
_NEAREST_WORDS = 8
# Alone they announce a phone ("numaram 532…"), behind a word of the business its number ("sipariş numaram 104827").
_MY_NUMBER = frozenset({"numaram", "numarami", "numaramiz"})
_POSSESSIVES = frozenset(
    ("my", "mein", "meine", "mon", "mi", "mio", "mijn", "moj", "meu", "minha", "мои", "мій", "міи", "benim")
)
_NAMES_A_NUMBER = re.compile(r"nummer|nr$|numara|number|numer|номер")
_DIGIT = re.compile(r"\d")
_DIGIT_COUNT = re.compile(r"\d{1,2}")


@cache
def _stems() -> tuple[dict[str, Kind], dict[str, Kind], frozenset[str]]:
    """Whole words and beginnings of words to their kind, and the first three letters of the beginnings."""
    whole: dict[str, Kind] = {}
    stems: dict[str, Kind] = {}
    lists: tuple[tuple[Kind, str], ...] = (
        ("glue", _GLUE),
        ("thing", _THING),
        ("id", _ID),
        ("number", _NUMBER),
        ("phone", _PHONE),
        ("business", _BUSINESS),
    )
    for kind, words in lists:
        for word in words.split():
            (stems if word.endswith("*") else whole)[fold(word.rstrip("*"))] = kind
    return whole, stems, frozenset(stem[:_SHORTEST_STEM] for stem in stems)


def kind_of(word: str) -> Kind | None:
    """What a folded word says about the number after it."""
    whole, stems, beginnings = _stems()
    found = whole.get(word)
    if found:
        return found
    if word[:_SHORTEST_STEM] in beginnings:
        for length in range(min(len(word), _LONGEST_STEM), 1, -1):
            found = stems.get(word[:length])
            if found:
                return found
    if word and "\u0620" <= word[0] <= "\u064a":
        bare = _ARABIC_PREFIX.sub("", word, count=1)
        return kind_of(bare) if bare != word else None
    return None


_LETTERS = re.compile(r"[^\W\d_]+")


def heads_of(shadow: str) -> frozenset[str]:
    """The first three letters of all words: rules with long lists of words ask only for those that can be there."""
    words = set(_LETTERS.findall(shadow))
    heads = {word[:_HEAD] for word in words}
    if not shadow.isascii():
        # Arabic: behind "and", "with", "the" and their combinations.
        heads.update(
            word[skip : skip + _HEAD] for word in words if "\u0620" <= word[0] <= "\u064a" for skip in (1, 2, 3, 4)
        )
    return frozenset(heads)


def head_of(label: str) -> str:
    """The first three letters of a label's first word."""
    first = _LETTERS.search(label)
    return first[0][:_HEAD] if first else ""


_ARABIC = re.compile("[\u0620-\u064a]")


def places_of(shadow: str, label: str, *, open_ended: bool) -> Iterator[int]:
    """Where the label ends, wherever it stands as a word; Arabic writes small words onto its front. Left to right.

    open_ended: whether an ending may follow, as in "pasaportum".
    """
    start = shadow.find(label)
    while start >= 0:
        end = start + len(label)
        before = shadow[start - 1] if start else " "
        glued = before.isalnum() and not (_ARABIC.match(before) and _ARABIC.match(label))
        if not glued and (open_ended or not shadow[end : end + 1].isalpha()):
            yield end
        start = shadow.find(label, end)


class Said(NamedTuple):
    """A word before a number and what it says about the number."""

    word: str
    kind: Kind | None


def said_before(shadow: str, start: int, *, floor: int = 0) -> list[Said]:
    """Up to eight words of the same clause between `floor` and `start`, nearest first.

    A label alone on its line counts for the next line.
    """
    window = shadow[max(floor, start - _WINDOW_CHARS) : start]
    stripped = window.rstrip(" \n#:.-(='\"")
    if "\n" in window[len(stripped) :] and len(stripped.rpartition("\n")[2].split()) > 3:
        return []
    clause = _CLAUSE_END.split(stripped)[-1]
    return [Said(word, kind_of(word)) for word in _WORD.findall(clause)[: -_NEAREST_WORDS - 1 : -1]]


def says_business(said: list[Said]) -> Literal["plainly", "loosely"] | None:
    """Whether the words (nearest first) say that the number is an order, a parcel, an invoice or the like.

    plainly: a word for "number" stands between, or in the word itself. None when they don't say so.
    """
    numbered = False
    previous: Kind | None = None
    for word, kind in said:
        names_a_number = _NAMES_A_NUMBER.search(word) is not None
        if previous == "number" and word in _POSSESSIVES:
            return None  # "ref my number 0532…": one's own number is a phone.
        if kind == "business" or (kind == "thing" and (numbered or names_a_number)):
            return "plainly" if numbered or names_a_number else "loosely"
        if kind == "number" or word in _MY_NUMBER:
            numbered = True
        elif kind != "glue" and not (previous == "number" and _DIGIT_COUNT.fullmatch(word)):
            return None
        previous = kind
    return None


def nearest_kind(said: list[Said]) -> Kind | None:
    """The nearest word that tells a phone from an identity or a thing of the business; None when none is near."""
    previous: Kind | None = None
    for word, kind in said:
        if kind in {"phone", "id", "business"}:
            return kind
        if previous == "number" and word in _POSSESSIVES:
            return "phone"
        previous = kind
    return None


def phone_word_follows(shadow: str, end: int) -> bool:
    """Whether one of the next two words tells to call or write there: "… arayın", "… bitte anrufen"."""
    words = _WORD.findall(_CLAUSE_END.split(shadow[end : end + 30])[0])[:2]
    return any(kind_of(word) == "phone" for word in words)


# "12345678901 numaralı siparişim", "4711 is my order number", "8812345670 nolu kargo", "123456789 ist meine Bestellnummer".
_LINKING = "numarali nolu no lu sayili is was are ist war lautet es est e to jest это є ह است هو"  # folded already
_LINKS = frozenset(_LINKING.split())


def business_word_follows(shadow: str, end: int) -> bool:
    """Whether the words right after the number link it to an order, a parcel, an invoice or the like."""
    words = _WORD.findall(_CLAUSE_END.split(shadow[end : end + 40])[0])[:5]
    if [kind_of(word) for word in words[:2]] == ["business", "number"] and not _DIGIT.search("".join(words[2:3])):
        return True  # "12345678901 sipariş numarası ile", but not "0532… order number 10482".
    if not words or words[0] not in _LINKS:
        return False
    for word in words[1:]:
        kind = kind_of(word)
        if kind == "business":
            return True
        if kind not in {"glue", "number", "thing"} and word not in _LINKS:
            return False
    return False
