"""Messages that were written before the rules were mended for them: every kind of personal data, fourteen languages, odd spellings.

docs/minimization.md has the scores at first sight.

⟪…⟫ must be cut to the last letter and digit, ⟨…⟩ must stay. `{tckn}` and the like are made here, with valid check digits.
All of it is invented.
"""

import re

import pytest
from stdnum import iban, luhn, verhoeff
from stdnum.br import cnpj, cpf
from stdnum.de import idnr
from stdnum.es import dni
from stdnum.fr import nir
from stdnum.iso7064 import mod_11_10, mod_97_10
from stdnum.it import codicefiscale
from stdnum.pl import pesel
from stdnum.tr import tckimlik

from analysis.minimize import minimize

PLACEHOLDER = re.compile(r"\[[A-Z_]{2,20}_\d{1,4}\]")


def grouped(number, *lengths, by=" "):
    parts, position = [], 0
    for length in lengths:
        parts.append(number[position : position + length])
        position += length
    return by.join([*parts, number[position:]] if number[position:] else parts)


def an_iban(country, account):
    whole = country + iban.calc_check_digits(country + "00" + account) + account
    assert mod_97_10.is_valid(whole[4:] + whole[:4])
    return whole


def a_card(beginning):
    return beginning + luhn.calc_check_digit(beginning)


def a_bsn(beginning):
    check = sum((9 - index) * int(digit) for index, digit in enumerate(beginning)) % 11
    assert check < 10
    return beginning + str(check)


CARD, CARD2, AMEX, CARD19 = (
    a_card("453201511283036"),
    a_card("510510510510510"),
    a_card("37828224631000"),
    a_card("620000000000000011"),
)
TR_IBAN, DE_IBAN = an_iban("TR", "0006200119000006672315"), an_iban("DE", "500105175407324931")
GB_IBAN, NL_IBAN = an_iban("GB", "WEST12345698765432"), an_iban("NL", "RABO0300065264")
FR_IBAN, SA_IBAN = an_iban("FR", "20041010050500013M02606"), an_iban("SA", "80000000608010167519")
PL_IBAN, UA_IBAN = an_iban("PL", "109010140000071219812874"), an_iban("UA", "3052990000026007233566001")
ES_IBAN, IT_IBAN = an_iban("ES", "23100001180000012345"), an_iban("IT", "X0542811101000000123456")
IR_IBAN = an_iban("IR", "0170000000123456789001")
TCKN = "345678912" + tckimlik.calc_check_digits("345678912")
STEUER = "4703689281" + mod_11_10.calc_check_digit("4703689281")
PESEL = "8503124567" + pesel.calc_check_digit("8503124567")
CPF = "390533447" + "05"
CNPJ = "112223330001" + "81"
DNI = "54362315" + dni.calc_check_digit("54362315")
CF = "RSSMRA85T10A562" + codicefiscale.calc_check_digit("RSSMRA85T10A562")
NIR = "1850578006084" + nir.calc_check_digits("1850578006084")
AADHAAR = "49876543210" + verhoeff.calc_check_digit("49876543210")
BSN = a_bsn("12345678")
assert tckimlik.is_valid(TCKN) and idnr.is_valid(STEUER) and pesel.is_valid(PESEL) and dni.is_valid(DNI)
assert cpf.is_valid(CPF) and cnpj.is_valid(CNPJ) and codicefiscale.is_valid(CF) and nir.is_valid(NIR)

# (region, message)
MESSAGES = [
    # English
    ("GB", "pls ring ⟪07700.900.461⟫ after ⟨6pm⟩, parcel ⟨RM123456785GB⟩ still missing"),
    ("GB", "My mob: ⟪0 7 7 0 0 9 0 0 4 6 1⟫ thx"),
    ("GB", "ref my number ⟪+44 7700 900461⟫, you said ⟨14:30⟩ on ⟨3/12/2026⟩"),
    ("GB", "Order ⟨10482⟩, phone ⟪020-7946-0018⟫ ext 12"),
    ("GB", "whatsapp:⟪+447700900461⟫ or ⟪07700 900 462⟫/⟪07700 900 463⟫"),
    ("GB", "I paid ⟨£1,249.99⟩ with ⟪" + grouped(CARD, 4, 4, 4, 4) + "⟫ CVV ⟪123⟫ and got an error"),
    ("GB", "card ending ⟨4242⟩ was declined ⟨3⟩ times at ⟨18:05⟩"),
    ("GB", "my card number is\n⟪" + grouped(CARD2, 4, 4, 4, 4, by="\n") + "⟫\nplease delete"),
    ("GB", "sort code ⟪20-00-00⟫ account ⟪55779911⟫ for the refund of ⟨£89⟩"),
    ("GB", "iban: ⟪" + grouped(GB_IBAN, 4, 4, 4, 4, 4, 4).lower() + "⟫ ok?"),
    ("GB", "NINO ⟪QQ123456C⟫ wrong? try ⟪AB 12 34 56 C⟫"),
    ("GB", "passport (UK) ⟪533380006⟫, checking into room ⟨214⟩ on ⟨24 December 2026⟩"),
    ("GB", "DOB ⟪14/02/1988⟫. Booking ⟨BK-88213⟩ for ⟨2⟩ adults"),
    ("GB", "born on ⟪3 March 1979⟫, need the senior discount of ⟨10%⟩"),
    ("GB", "write to ⟪o'connor.pat@mail.example.org⟫!"),
    ("GB", "email me - ⟪jo-anne_k [at] example [dot] co [dot] uk⟫"),
    ("GB", "mail: ⟪kim AT example DOT com⟫ cheers"),
    ("GB", "reach me at ⟪billy.bob@example⟫ (typo maybe)"),
    ("GB", "insta: ⟪gin.and.tonic_88⟫, tiktok ⟪@gin_tonic⟫"),
    ("GB", "my telegram is ⟪ada_lovelace1815⟫, x: ⟪@ada__l⟫"),
    ("GB", "snap ⟪ms.kay99⟫ has the unboxing video, size ⟨XL⟩, colour ⟨#ff8800⟩"),
    (
        "GB",
        "https://shop.example.com/p/iphone-15-pro-max-256gb?color=blue is sold out? ⟨https://shop.example.com/p/iphone-15-pro-max-256gb?color=blue⟩",
    ),
    ("GB", "invoice: ⟪https://billing.example.com/i/acct_1Hx9Qd2eZv/test_YWNjdF8xSHg5UWQ⟫ wrong VAT"),
    ("GB", "this ⟪bit.ly/3xYzAb9⟫ and ⟪https://t.me/adalove⟫ are mine"),
    ("GB", "see ⟪linkedin.com/in/ada-lovelace-88⟫"),
    ("GB", "⟪https://drive.google.com/file/d/1aBcD_efGh/view⟫ photos of the broken ⟨WH-1000XM5⟩"),
    ("GB", "is ⟨www.example.co.uk/opening-hours⟩ right? ⟨10:00-18:00⟩"),
    ("GB", "from IP ⟪203.0.113.42⟫ on Windows ⟨10.0.19045.3570⟩ app ⟨v2.14.3⟩"),
    ("GB", "I'm at ⟪51.50735, -0.12776⟫ where is the van"),
    ("GB", "tracking number is ⟨00340434161094042557⟩ and nobody answers on ⟪0800 123 4567⟫"),
    ("GB", "order no. ⟨302-1234567-1234567⟩ cost ⟨€ 1,299.00⟩ not ⟨1299⟩"),
    ("US", "my social is ⟪219-09-9999⟫, order ⟨123-45-6789-1⟩"),
    ("US", "SSN ⟪219 09 9999⟫"),
    ("US", "call ⟪(212)555-0187⟫ x⟨204⟩, or ⟪212/555/0188⟫"),
    ("US", "⟪1 (800) 555-0199⟫ keeps ringing me about case ⟨00031245⟩"),
    ("US", "order ⟨4155552671⟩ not here, call ⟪4155552672⟫"),
    ("US", "USPS ⟨9400111899223100001234⟩ hmm, tracking ⟨9400111899223100001234⟩"),
    ("US", "driver's license ⟪D1234567⟫ was scanned by your courier"),
    ("US", "routing ⟪021000021⟫ acct ⟪000123456789⟫ refund ⟨$45.10⟩"),
    ("US", "amex ⟪" + AMEX + "⟫ 4-digit code ⟨n/a⟩"),
    ("US", "use ⟪" + grouped(CARD, 4, 4, 4, 4, by="-") + "⟫ valid thru ⟨12/27⟩"),
    ("US", "its ⟪5.5.5.1.2.3.4.5.6.7⟫ dont show the bot"),
    ("US", "text ⟪２１２５５５０１８７⟫ pls"),
    ("US", "𝟐𝟏𝟐 numbers: ⟪𝟐𝟏𝟐-𝟓𝟓𝟓-𝟎𝟏𝟖𝟕⟫"),
    ("US", "phone ⟪2️⃣1️⃣2️⃣5️⃣5️⃣5️⃣0️⃣1️⃣8️⃣7️⃣⟫ 😀"),
    ("US", "cell ⟪(212) 555‑0187⟫; ZIP ⟨10001⟩, size ⟨9.5⟩, ⟨2024/2025⟩ catalogue"),
    ("US", "imei ⟪490154203237518⟫ of my iPhone ⟨15⟩"),
    ("US", "flight ⟨UA 1984⟩ seat ⟨23B⟩, passport no ⟪C03005988⟫"),
    ("US", "mac ⟪00:1B:44:11:3A:B7⟫ can't join, firmware ⟨1.4.20⟩"),
    ("US", "VIN? no. I bought ⟨3⟩ for ⟨$1,299.00⟩ on ⟨2026-11-02⟩, serial ⟨SN-998877665544⟩"),
    ("US", "order#⟨8812345671⟩ & ⟨8812345672⟩ both late"),
    ("US", "⟨8812345670⟩ is my order number, not a phone"),
    ("US", "reset link ⟪https://acct.example.com/password/reset?t=Zk93xQ⟫ expired"),
    ("US", "join ⟪https://example.zoom.us/j/9876543210?pwd=abc⟫"),
    ("US", "phone ⟪O212 555 O187⟫"),
    # Turkish
    ("TR", "Numaram ⟪0(532) 111-22-33⟫, sipariş no: ⟨1234567890⟩"),
    ("TR", "wp: ⟪0532/111/22/33⟫ yazın"),
    ("TR", "beni ⟪05 32 111 22 33⟫ten arayın lütfen"),
    ("TR", "⟪+90-532-111-2233⟫ / ⟪+90 216 444 55 66⟫ ulaşamıyorum"),
    ("TR", "tel ⟪5-3-2-1-1-1-2-2-3-3⟫"),
    ("TR", "sipariş no ⟨5321112233⟩ hâlâ hazırlanıyor, ⟨1.299,90 TL⟩ ödedim"),
    ("TR", "takip no ⟨7270012345678⟩, kapıda ⟨450 TL⟩ istediler"),
    ("TR", "siparişlerim ⟨7781234567⟩, ⟨7781234568⟩ ve ⟨7781234569⟩"),
    ("TR", "kimlik no ⟪" + TCKN + "⟫ ile aldım, tarih ⟨12.03.2026⟩ saat ⟨09:45⟩"),
    ("TR", "T.C. ⟪" + grouped(TCKN, 3, 3, 3, 2) + "⟫"),
    ("TR", "doğum tarihim ⟪12.03.1980⟫, doğum günü indirimi ⟨%15⟩ uygulanmadı"),
    ("TR", "iban numaram ⟪" + grouped(TR_IBAN, 4, 4, 4, 4, 4, 4, 2) + "⟫ Ayşe adına, ⟨250 TL⟩"),
    ("TR", "IBAN ⟪" + TR_IBAN[:-1] + str((int(TR_IBAN[-1]) + 1) % 10) + "⟫ galiba yanlış yazdım"),
    ("TR", "TR IBAN: ⟪" + grouped(TR_IBAN, 2, 2, 5, 1, 16) + "⟫"),
    ("TR", "kartım ⟪" + CARD + "⟫ son kullanma ⟨12/27⟩ cvc ⟪456⟫"),
    ("TR", "kart no ⟪4532 0151 1283 0367⟫ hatalı diyor"),
    ("TR", "güvenlik kodu ⟪789⟫ girince ⟨3⟩ kere hata verdi"),
    ("TR", "pasaport no: ⟪U 12345678⟫ uçuş ⟨TK1984⟩ koltuk ⟨12A⟩"),
    ("TR", "mailim ⟪ayse.yilmaz (et) ornek (nokta) com⟫"),
    ("TR", "⟪ayşe.yılmaz@örnek.com.tr⟫'ye gönderin"),
    ("TR", "ornek posta: ⟪deniz at posta nokta com nokta tr⟫"),
    ("TR", "instagram adım ⟪ayse.yilmaz.92⟫"),
    ("TR", "insta ⟪mehmet_dmr34⟫ den dm attım ⟨2⟩ gündür bakmadınız"),
    ("TR", "telegramdan yazın: ⟪@m.demir⟫ ya da ⟪t.me/mdemir34⟫"),
    ("TR", "plakam ⟪34 ABC 123⟫ otoparkta ⟨3⟩ saat kaldım"),
    ("TR", "ehliyet no ⟪123456⟫ kiralama için, araç ⟨08:00⟩ de hazır mı"),
    ("TR", "⟨#TR-2024-99817⟩ ve ⟨TR-2024-99818⟩ iade kodu ⟨8812345⟩"),
    ("TR", "kampanya ⟨2024/2025⟩, beden ⟨38 39 40 41 42⟩ var mı"),
    ("TR", "0850'li hattınız ⟪0850 222 0 333⟫ meşgul"),
    ("TR", "dahili ⟨114⟩ istedim, ⟪444 55 66⟫ yı aradım telefon açan yok"),
    ("TR", "Kargo ⟨2760012345678⟩ nolu takip, daire ⟨5⟩, ⟨34710⟩"),
    ("TR", "fatura no ⟨GIB2026000000318⟩ KDV ⟨%20⟩ toplam ⟨12.450,00 TL⟩"),
    (
        "TR",
        "https://magaza.example.com/urun/kirmizi-ayakkabi-p-781234567 ⟨https://magaza.example.com/urun/kirmizi-ayakkabi-p-781234567⟩ tükenmiş",
    ),
    ("TR", "takip linki ⟪https://magaza.example.com/siparis-takip?email=ayse%40ornek.com⟫"),
    ("TR", "cep ⟪0532\u200b111\u200b22\u200b33⟫, ev ⟪0216\u00a0444\u00a055\u00a066⟫"),
    ("TR", "hesap no ⟪6672315⟫ şube ⟨0620⟩"),
    ("TR", "⟪532 111 22 33⟫ - ⟪533 222 33 44⟫ ikisi de benim"),
    # German
    ("DE", "Rufnummer ⟪0176 - 12 34 56 78⟫, Kundennr. ⟨10047712⟩"),
    ("DE", "unter ⟪+49 (0) 30 / 23 12 5 - 011⟫ erreichbar, Bestellung ⟨4711224488⟩"),
    ("DE", "Tel.: ⟪030.2312.5012⟫ oder mobil ⟪0176-12345678⟫"),
    ("DE", "Festnetz ⟪23 12 50⟫ in Berlin"),
    ("DE", "Bestellnummer ⟨302-1234567-1234567⟩ vom ⟨03.11.2026⟩ über ⟨1.249,00 €⟩"),
    ("DE", "Meine Steuer-Identifikationsnummer: ⟪" + STEUER + "⟫"),
    ("DE", "IdNr. ⟪" + grouped(STEUER, 2, 3, 3, 3) + "⟫ Rechnung ⟨RE-2026-0318⟩"),
    ("DE", "SV-Nummer ⟪65 170839 J 003⟫"),
    ("DE", "Personalausweisnr. ⟪L01X00T471⟫, Zimmer ⟨412⟩"),
    ("DE", "Reisepass ⟪C01X0006H⟫ gültig bis ⟨2030⟩"),
    ("DE", "geb. ⟪12.03.1980⟫ in Köln, Termin am ⟨12.03.2026⟩ um ⟨10:30⟩"),
    ("DE", "geboren am ⟪1. April 1975⟫"),
    ("DE", "IBAN ⟪" + grouped(DE_IBAN, 4, 4, 4, 4, 4, 2) + "⟫, Betrag ⟨49,99 €⟩"),
    ("DE", "IBAN ⟪" + DE_IBAN[:-1] + "⟫ fehlt da was?"),
    ("DE", "Kontonummer ⟪532013000⟫ BLZ ⟪37040044⟫"),
    ("DE", "Kreditkarte ⟪" + grouped(CARD2, 4, 4, 4, 4) + "⟫, Prüfziffer ⟪321⟫"),
    ("DE", "klaus.weber ⟪klaus.weber{at}web{punkt}de⟫"),
    ("DE", "Mail an ⟪jürgen@müller-söhne.de⟫; Artikel ⟨100234567⟩"),
    ("DE", "Insta: ⟪lisa.auf.reisen⟫, Rabatt ⟨20 %⟩"),
    ("DE", "Kennzeichen ⟪B-AB 1234⟫ stand im Weg, Hausnummer ⟨14a⟩"),
    ("DE", "DHL ⟨JJD000390007827654321⟩ seit ⟨6⟩ Tagen, Sendungsnummer ⟨003404341610940⟩"),
    ("DE", "⟨4711224488⟩ ist meine Bestellnummer"),
    ("DE", "Auftrag ⟨7781234567⟩; bitte ⟪0151 23 45 67 89⟫ anrufen"),
    ("DE", "Führerschein ⟪B072RRE2I55⟫ hochgeladen"),
    ("DE", "Link ⟪https://konto.example.de/aktivieren/Zx81kQpL09vBn⟫ ist tot, ⟨https://example.de/agb#widerruf⟩"),
    ("DE", "Größe ⟨42⟩, ⟨120x200 cm⟩, Preis ⟨1.000-1.500 €⟩, Zug ⟨ICE 1523⟩, PLZ ⟨10969⟩"),
    # Arabic
    ("SA", "جوالي ⟪٠٥٥-١٢٣-٤٥٦٧⟫ والطلب رقم ⟨٨٨١٢٣٤٥٦٧٠⟩"),
    ("SA", "للتواصل ⟪+966 (55) 123 4567⟫ بعد ⟨٥:٣٠⟩"),
    ("SA", "رقم الهوية: ⟪1087654321⟫ وتاريخ الميلاد ⟪1988/02/14⟫"),
    ("SA", "رقم الإقامة ⟪2345678901⟫ والفاتورة ⟨INV-2026-000318⟩"),
    ("SA", "الآيبان ⟪" + grouped(SA_IBAN, 4, 4, 4, 4, 4, 4) + "⟫ المبلغ ⟨١٢٠٠ ريال⟩"),
    ("SA", "بطاقتي ⟪" + "".join("٠١٢٣٤٥٦٧٨٩"[int(d)] for d in CARD) + "⟫ ورمز الأمان ⟪٣٢١⟫"),
    ("AE", "هويتي ⟪784-1990-1234567-1⟫ ورحلتي ⟨EK 0923⟩"),
    ("AE", "واتس ⟪٠٥٠ ١٢٣ ٤٥٦٧⟫ أو ⟪00971501234567⟫"),
    ("EG", "الرقم القومي ⟪29001011234567⟫ ورقم الطلب ⟨5512345678⟩"),
    ("EG", "كلمني ⟪٠١٠ ١٢٣٤ ٥٦٧٨⟫ ضروري دفعت ⟨١٬٢٩٩٫٩٠ جنيه⟩"),
    ("EG", "جواز سفر رقم ⟪A12345678⟫ تاريخ الميلاد ⟪١٤/٠٢/١٩٨٨⟫"),
    ("SA", "حسابي انستا: ⟪noura.x99⟫ وسناب ⟪noura_sn⟫"),
    ("SA", "ايميلي ⟪noura (at) example (dot) sa⟫"),
    ("SA", "شحنة رقم ⟨3045678912345⟩ لم تصل منذ ⟨٣/١١/٢٠٢٦⟩"),
    ("AE", "الرابط ⟪https://pay.example.ae/l/8Kd93mXq02Lp⟫ لا يفتح، المقاس ⟨٤٢⟩"),
    ("SA", "لوحة السيارة ⟪ABC 1234⟫ موقف ⟨12⟩"),
    ("SA", "طلبي ⟨8812345670⟩ متأخر ورقمي ⟪055 987 6543⟫"),
    # French
    ("FR", "mon numéro : ⟪06.12.34.56.78⟫, commande ⟨7781234567⟩"),
    ("FR", "appelez le ⟪06 12 34 56 78⟫ ou ⟪+33 (0)1 42 68 53 00⟫ avant ⟨18h30⟩"),
    ("FR", "n° de sécu ⟪" + grouped(NIR, 1, 2, 2, 2, 3, 3, 2) + "⟫"),
    ("FR", "IBAN ⟪" + grouped(FR_IBAN, 4, 4, 4, 4, 4, 4, 3) + "⟫ pour ⟨49,90 €⟩"),
    ("FR", "né le ⟪14/02/1988⟫, colis ⟨6A12345678901⟩ attendu le ⟨24/12/2026⟩"),
    ("FR", "écrivez à ⟪marie.dupont arobase exemple point fr⟫"),
    ("FR", "passeport ⟪12AB34567⟫, réservation ⟨RZ-90217⟩"),
    ("FR", "insta ⟪@marie.dpt⟫, j'ai payé ⟨1 299,00 €⟩"),
    # Spanish
    ("ES", "mi móvil es ⟪612 34 56 78⟫, pedido n.º ⟨1234567890⟩"),
    ("ES", "DNI ⟪" + DNI + "⟫ y NIE ⟪X1234567L⟫"),
    ("ES", "llámame al ⟪+34 612-345-678⟫ o ⟪912345678⟫"),
    ("ES", "cuenta ⟪" + grouped(ES_IBAN, 4, 4, 4, 4, 4, 4) + "⟫, importe ⟨1.299,00 €⟩"),
    ("ES", "fecha de nacimiento: ⟪14-02-1988⟫; factura ⟨2026-000318⟩"),
    ("ES", "correo: ⟪ana.garcia arroba ejemplo punto com⟫"),
    ("MX", "mi cel ⟪55 1234 5678⟫, guía ⟨8812345670123⟩"),
    # Italian
    ("IT", "cell. ⟪347 123 4567⟫, ordine ⟨8812345670⟩ del ⟨03/11/2026⟩"),
    ("IT", "codice fiscale ⟪" + CF + "⟫ per la fattura ⟨2026/318⟩"),
    ("IT", "CF: ⟪" + CF.lower() + "⟫"),
    ("IT", "iban ⟪" + IT_IBAN + "⟫ euro ⟨59,90⟩"),
    ("IT", "carta d'identità ⟪CA12345AB⟫, camera ⟨412⟩"),
    ("IT", "nata il ⟪14 febbraio 1988⟫, scrivi a ⟪anna chiocciola esempio.it⟫"),
    # Dutch
    ("NL", "bel me op ⟪06-12345678⟫, bestelling ⟨8812345670⟩"),
    ("NL", "mijn BSN is ⟪" + BSN + "⟫"),
    ("NL", "rekening ⟪" + grouped(NL_IBAN, 4, 4, 4, 4, 2) + "⟫, bedrag ⟨€ 45,50⟩"),
    ("NL", "geboortedatum ⟪14-02-1988⟫, pakket ⟨3SABCD1234567⟩"),
    ("NL", "mail naar ⟪piet@voorbeeld.nl⟫ of ⟪+31 6 1234 5678⟫"),
    # Polish
    ("PL", "mój telefon ⟪501 234 567⟫, zamówienie ⟨7781234567⟩"),
    ("PL", "PESEL ⟪" + PESEL + "⟫, kwota ⟨1 299,90 zł⟩"),
    ("PL", "dowód ⟪ABC 123456⟫, ur. ⟪14.02.1988⟫"),
    ("PL", "konto ⟪" + grouped(PL_IBAN, 4, 4, 4, 4, 4, 4, 4) + "⟫"),
    ("PL", "tel. ⟪+48 22 123 45 67⟫, paczka nr ⟨520000012345678901234567⟩"),
    # Portuguese
    ("BR", "meu CPF é ⟪" + grouped(CPF, 3, 3, 3, by=".")[:11] + "-" + CPF[9:] + "⟫, pedido ⟨7781234567⟩"),
    ("BR", "zap ⟪(11) 91234-5678⟫, paguei ⟨R$ 1.299,90⟩"),
    ("BR", "CNPJ ⟪" + f"{CNPJ[:2]}.{CNPJ[2:5]}.{CNPJ[5:8]}/{CNPJ[8:12]}-{CNPJ[12:]}" + "⟫ nota fiscal ⟨000318⟩"),
    ("PT", "telemóvel ⟪912 345 678⟫, encomenda ⟨DA123456789PT⟩"),
    ("BR", "data de nascimento ⟪14/02/1988⟫, rastreio ⟨AA123456785BR⟩, e-mail ⟪joao@exemplo.com.br⟫"),
    # Russian
    ("RU", "мой номер ⟪8 (912) 345-67-89⟫, заказ ⟨№ 7781234567⟩"),
    ("RU", "паспорт ⟪45 08 123456⟫, дата рождения ⟪14.02.1988⟫"),
    ("RU", "СНИЛС ⟪112-233-445 95⟫, заплатил ⟨1 299 руб⟩"),
    ("RU", "пишите на ⟪иван@почта.рф⟫ или ⟪ivan собака mail точка ru⟫"),
    ("RU", "трек ⟨RA123456785RU⟩, тг: ⟪@ivan_petrov⟫"),
    # Hindi
    ("IN", "मेरा नंबर ⟪+91 98765 43210⟫ है, ऑर्डर ⟨402-1234567-1234567⟩"),
    ("IN", "फोन ⟪९८७६५ ४३२१०⟫, कीमत ⟨₹1,299⟩"),
    ("IN", "आधार ⟪" + grouped(AADHAAR, 4, 4, 4) + "⟫ और PAN ⟪ABCPE1234F⟫"),
    ("IN", "जन्म तिथि ⟪14/02/1988⟫, ऑर्डर नंबर ⟨7781234567⟩"),
    ("IN", "upi ⟪rahul.k@okbank⟫ pe refund karo ⟨₹499⟩, awb ⟨141234567890⟩"),
    # Persian
    ("IR", "شماره من ⟪۰۹۱۲ ۳۴۵ ۶۷۸۹⟫ است، سفارش ⟨۸۸۱۲۳۴۵۶۷۰⟩"),
    ("IR", "کد ملی ⟪۰۰۱۲۳۴۵۶۷۹⟫ و مبلغ ⟨۱۲۰۰۰۰ تومان⟩"),
    ("IR", "شبا ⟪" + IR_IBAN + "⟫"),
    ("IR", "متولد ⟪۱۳۶۷/۱۱/۲۵⟫، تحویل ⟨۱۴۰۵/۰۹/۰۴⟩"),
    # Ukrainian
    ("UA", "мій телефон ⟪(067) 123-45-67⟫, ТТН ⟨20450123456789⟩"),
    ("UA", "ІПН ⟪3123456789⟫, сума ⟨1 299,50 грн⟩"),
    ("UA", "рахунок ⟪" + UA_IBAN + "⟫"),
    ("UA", "пошта ⟪olena (at) ukr.example⟫, замовлення ⟨7781234567⟩ від ⟨03.11.2026⟩"),
    # Mixed and odd
    ("TR", "⟪+49 176 12345678⟫ Almanya, ⟪+90 532 111 22 33⟫ Türkiye, fark ⟨12:00⟩"),
    ("TR", "arayın👉⟪05321112233⟫👈acil!!"),
    ("TR", "tel:⟪05321112233⟫,mail:⟪a@b.com.tr⟫;tc:⟪" + TCKN + "⟫"),
    ("DE", "0⟪176\u00ad12345678⟫".replace("0⟪", "⟪0")),
    ("GB", "⟪" + CARD19 + "⟫ is my UnionPay"),
    ("GB", "number is ⟪4532 0151 1283 0361 22⟫ i think"),
    ("TR", "\u202e⟪05321112233⟫\u202c"),
    ("GB", "⟪07700\n900461⟫"),
    ("GB", "Sizes ⟨38, 39, 40, 41, 42⟩ and ⟨10:00-18:00, 12:00-16:00⟩ on ⟨24.12.2026-31.12.2026⟩"),
    ("GB", "Prices rose from ⟨1,000,000⟩ to ⟨1,250,000.50⟩ and ⟨99.99⟩"),
]


# Written after the rules had been mended for MESSAGES: an honest first sight of those rules.
SECOND = [
    ("GB", "Hiya, it's Dave, you can get me on ⟪07400 123456⟫ or at work ⟪0161 496 0123⟫, order ref ⟨WEB-004512⟩"),
    ("GB", "Please cancel ⟨order 7741-2231⟩ and email confirmation to ⟪d.smith1980@hotmail.co.uk⟫"),
    ("GB", "Your driver called from ⟪07400-654-321⟫ at ⟨08:15⟩ and left"),
    ("GB", "My old number was ⟪07400654321⟫ new one is ⟪+447400111222⟫"),
    ("GB", "Text ⟪07400 111 222⟫ when ready pls, table for ⟨4⟩ at ⟨7pm⟩"),
    ("GB", "acc no ⟪12345678⟫, sort ⟪12-34-56⟫, I was charged ⟨£12.50⟩ twice"),
    ("GB", "Card: ⟪4111111111111111⟫ exp ⟨11/27⟩ cvc: ⟪999⟫"),
    ("GB", "the long number is ⟪4111 1111 1111 1111⟫ and 3 digits ⟨on the back⟩"),
    ("GB", "I was born ⟪12/03/1980⟫ so I qualify"),
    ("GB", "D.O.B. ⟪12-03-80⟫"),
    ("GB", "date of birth is ⟪1980-03-12⟫, flight ⟨BA2490⟩ on ⟨2026-12-24⟩"),
    ("GB", "NHS number ⟪943 476 5919⟫"),
    ("GB", "driving licence ⟪MORGA 657054 SM9IJ⟫"),
    ("GB", "my passport's number: ⟪GB 1234567 89⟫"),
    ("GB", "find me on insta → ⟪@the.real_kim⟫ or fb: ⟪kim.real.12⟫"),
    ("GB", "DM'd you from ⟪@kim_real⟫, @yourshop ignored me"),
    ("GB", "twitter handle ⟪kim_r_42⟫"),
    ("GB", "my username is ⟪shopper_kim77⟫ and I can't log in since ⟨Monday 9:00⟩"),
    ("GB", "Skype: ⟪live:kim.real⟫"),
    ("GB", "parcel ⟨JD0002254789123456⟩ and ⟨H01HYA0012345678⟩"),
    ("GB", "tracking ⟨TBA304567891234⟩ says delivered at ⟨11:42⟩"),
    ("GB", "ticket ⟨#48213-99⟩ closed, invoice ⟨2026/11/0042⟩, PO ⟨4500123456⟩"),
    ("GB", "Model ⟨QE55Q80TATXXU⟩ serial no ⟨0A1B2C3D4E5F⟩, bought ⟨2024⟩"),
    ("GB", "item number ⟨3456789012⟩ is out of stock"),
    ("GB", "product code: ⟨5012345678900⟩ (EAN ⟨5012345678900⟩)"),
    ("GB", "customer number ⟨100234567⟩ here"),
    ("GB", "It's ⟨1 pair of UK 9 / EU 43⟩, paid ⟨GBP 120⟩, postcode ⟨SW1A 1AA⟩"),
    ("GB", "voucher code ⟨WELCOME10⟩ and gift card ⟨£25⟩"),
    ("GB", "see https://www.tracking.example/track?id=abc"),
    ("GB", "unsubscribe me ⟪https://news.example.com/u/5f2b9c1de8a74?e=kim%40mail.example⟫"),
    ("GB", "⟪https://example.com/account/orders/kim-real⟫ gives 404"),
    ("GB", "⟨https://example.com/collections/shoes?size=42&color=red&utm_source=insta⟩"),
    ("GB", "⟪http://192.168.1.14/admin⟫"),
    ("GB", "https://maps.app.goo.gl/… my place: ⟪https://maps.app.goo.gl/ZyX12abCdE⟫"),
    ("US", "Call my cell—⟪(646) 555 0134⟫—before ⟨5:30 PM⟩"),
    ("US", "It's ⟪646 555 0134⟫. Order ⟨#112-8853921-4456212⟩"),
    ("US", "phone number ending in ⟨0134⟩ is fine"),
    ("US", "ssn: ⟪078051120⟫"),
    ("US", "last 4 of SSN is 1120 ok?"),
    ("US", "EIN no, tax id ⟪12-3456789⟫"),
    ("US", "license plate ⟪7ABC123⟫ in lot ⟨B4⟩"),
    ("US", "fedex tracking number: ⟨771234567890⟩"),
    ("US", "conf # ⟨HMX4K9⟩, room ⟨1204⟩, rate ⟨$189.00/night⟩, Dec ⟨24-27⟩"),
    ("US", "I ordered ⟨12⟩ x ⟨500ml⟩ bottles for ⟨$1,024.75⟩ total on ⟨11/02/26⟩"),
    ("US", "my email: ⟪jane.doe AT gmail DOT com⟫ zip ⟨94105⟩"),
    ("US", "⟪jane(dot)doe(at)gmail(dot)com⟫"),
    ("US", "janes mail ⟪jane@doe.museum⟫."),
    ("TR", "⟪05321112233⟫ benim no"),
    ("TR", "Tlf: ⟪0 532 1112233⟫ Adres değişti"),
    ("TR", "whatsapptan ⟪+905321112233⟫ yazabilirsiniz, sipariş kodu ⟨AB12CD34⟩"),
    ("TR", "⟪0 532 111 2233⟫ numaralı hattım için fatura ⟨124,90 TL⟩"),
    ("TR", "sipariş numaram ⟨10482765⟩, iade kargo kodu ⟨1234567890123⟩"),
    ("TR", "Yurtiçi kargo takip numarası: ⟨123456789012⟩"),
    ("TR", "siparis ⟨4155552671⟩ gelmedi tel ⟪5321112233⟫"),
    ("TR", "TC no: ⟪10000000146⟫ ad soyad Ali Veli"),
    ("TR", "annemin tc'si ⟪10000000146⟫"),
    ("TR", "D.tarihi ⟪01/05/1990⟫"),
    ("TR", "1990 doğumluyum, ⟪01.05.1990⟫ doğumlu"),
    ("TR", "vergi no ⟪1234567890⟫ şahıs şirketi"),
    ("TR", "mail adresim ⟪mehmet.k@firma.com.tr⟫, saat ⟨14.30⟩'da arayın"),
    ("TR", "gmail: ⟪mehmetk1990@gmail.com⟫"),
    ("TR", "ıban ⟪TR330006100519786457841326⟫"),
    ("TR", "kart numarası ⟪4111 1111 1111 1111⟫, skt ⟨05/28⟩, cvv ⟪000⟫"),
    ("TR", "Masa ⟨12⟩, ⟨4⟩ kişi, ⟨20.30⟩, ⟨24.12.2026⟩"),
    ("TR", "Ürün kodu ⟨8690123456789⟩ stokta yok, ⟨2.499 TL⟩"),
    ("TR", "uçuş ⟨PC2187⟩ PNR ⟨ABC123⟩ ⟨15 Mart 2026⟩"),
    ("DE", "Bin erreichbar: ⟪0151/12345678⟫ o. ⟪0 30-23 12 50 11⟫"),
    ("DE", "Meine Handynr ist ⟪+49151 12345678⟫, Ticketnr. ⟨2026110300456⟩"),
    ("DE", "Bestell-Nr. ⟨8812345670⟩, Kd-Nr. ⟨10047712⟩"),
    ("DE", "Bestellung Nr: ⟨2026-11-4455⟩ fehlt, bitte an ⟪k.m@web.de⟫"),
    ("DE", "Vertragsnummer ⟨7001234567⟩, Zählernummer ⟨1EMH0012345678⟩"),
    ("DE", "Geburtsdatum: ⟪12.3.80⟫"),
    ("DE", "Perso-Nr ⟪LZ6311T475⟫"),
    ("DE", "Krankenversichertennummer ⟪A123456780⟫"),
    ("DE", "Bankverbindung: ⟪DE89 3704 0044 0532 0130 00⟫, BIC ⟨COBADEFFXXX⟩"),
    ("DE", "Termin ⟨Mo 10:00-12:00⟩, ⟨3 Zimmer⟩, ⟨1.050 € kalt⟩, ⟨75 m²⟩"),
    ("DE", "Paketnummer ⟨H1000730001234501019⟩"),
    ("SA", "اتصلوا ⟪0551234567⟫ الطلب ⟨#10482⟩ وصل ناقص ⟨٢⟩ قطع"),
    ("SA", "رقم جوالي هو ⟪٠٥٥١٢٣٤٥٦٧⟫ ورقم طلبي ⟨٧٧٨١٢٣٤٥٦٧⟩"),
    ("SA", "رقم الطلب: ⟨5512345678⟩، الجوال: ⟪0512345678⟫"),
    ("SA", "تاريخ ميلادي ⟪14/02/1988⟫"),
    ("SA", "ابشر رقم حسابي البنكي ⟪608010167519⟫"),
    ("AE", "رقم الشحنة ⟨AWB 12345678901⟩ والمبلغ ⟨٤٥٠ درهم⟩"),
    ("EG", "بريدي ⟪ahmed.h@example.eg⟫ تليفون ⟪02 2735 1234⟫"),
    ("EG", "الفاتورة رقم ⟨000318⟩ بتاريخ ⟨٢٠٢٦/١١/٠٣⟩ الساعة ⟨١٠:٣٠⟩"),
    ("FR", "Mon tel ⟪06-12-34-56-78⟫"),
    ("FR", "numéro de suivi ⟨6C15612345678⟩, dossier n° ⟨20261103⟩"),
    ("ES", "tel: ⟪(+34) 91 123 45 67⟫ pedido ⟨#20261103⟩"),
    ("ES", "mi NIF es ⟪12345678-Z⟫"),
    ("IT", "mio numero ⟪+39 06 1234 5678⟫, spedizione ⟨1Z999AA10123456784⟩"),
    ("NL", "telefoonnummer ⟪0612345678⟫, ordernummer ⟨1000234567⟩"),
    ("PL", "nr zamówienia ⟨1000234567⟩, tel ⟪+48501234567⟫"),
    ("BR", "WhatsApp ⟪11 91234-5678⟫, CPF ⟪39053344705⟫"),
    ("RU", "тел: ⟪89123456789⟫, заказ № ⟨1000234567⟩"),
    ("RU", "карта ⟪2200 1234 5678 9010⟫"),
    ("IN", "mobile ⟪9876543210⟫ order id ⟨OD123456789012345678⟩"),
    ("IN", "aadhaar no ⟪234567890124⟫"),
    ("IR", "تلفن ⟪۰۲۱-۸۸۷۷۶۶۵۵⟫ کد رهگیری ⟨۲۱۳۴۵۶۷۸۹۰۱۲۳۴۵۶۷۸۹۰۱۲۳۴⟩"),
    ("UA", "мій тел ⟪+38 (050) 123-45-67⟫, накладна ⟨59000123456789⟩"),
    ("GB", "ⓣⓔⓛ ⟪⓪⑦④⓪⓪①①①②②②⟫"),
    ("GB", "⟪０７４００ １１１ ２２２⟫"),
    ("GB", "0️⃣ problem: ⟪0️⃣7️⃣4️⃣0️⃣0️⃣ 1️⃣1️⃣1️⃣ 2️⃣2️⃣2️⃣⟫"),
    ("GB", "⟪0 7 4 0 0  1 1 1  2 2 2⟫"),
    ("GB", "⟪07400_111_222⟫ or ⟪07400*111*222⟫"),
    ("GB", "⟪+44.7400.111.222⟫"),
    ("GB", "⟪[+44] 7400 111 222⟫"),
    ("GB", "tel.⟪07400111222⟫mail⟪x@y.org⟫"),
    ("GB", "call ⟪074-00-11-12-22⟫"),
    ("GB", "My postcode is ⟨LS1 4AB⟩ and my number is seven"),
    ("GB", "⟪x.y@sub.domain.example.com⟫;⟪a_b@c.io⟫,⟪q@r.co⟫"),
    ("GB", "<⟪kim@example.com⟫>"),
    ("GB", "mailto:⟪kim@example.com⟫?subject=hi"),
    ("GB", "⟪kim@exämple.de⟫ ⟪李雷@例子.中国⟫"),
    ("GB", "mail ⟪kim at example.com⟫ email"),
    ("GB", "⟪ｋｉｍ＠ｅｘａｍｐｌｅ．ｃｏｍ⟫"),
]

# And after they had been mended for SECOND.
THIRD = [
    ("GB", "so I rang ⟪01632 960 983⟫ and then ⟪+44 1632 960983⟫, no answer since ⟨8.30am⟩"),
    ("GB", "zero seven seven double zero nine hundred is half my number, order ⟨55021⟩"),
    ("GB", "⟪zero seven four zero zero one one one two two two⟫ call me"),
    ("GB", "Ref: ⟨ABC/2026/00123⟩; Mobile: ⟪07400-111 222⟫; DOB: ⟪3 Feb 1991⟫; Email: ⟪t.o'neil@x-y.co⟫"),
    ("GB", "your rep said quote reference ⟨700123456⟩ when I ring"),
    ("GB", "refund to card ⟪5555 5555 5555 4444⟫ please not paypal ⟪kim.p@pay.example⟫"),
    ("GB", "delivery number ⟨8001234567⟩ driver's phone ⟪07400111222⟫"),
    ("GB", "not an order, my mobile ⟪07400111333⟫"),
    ("GB", "IBAN ⟪GB33BUKB20201555555555⟫ / BIC ⟨BUKBGB22⟩"),
    ("GB", "ID card number ⟪AB1234567⟫ attached; booking number ⟨2390481234⟩"),
    ("GB", "between ⟨£10,000⟩ and ⟨£1,000,000.00⟩; ⟨12 345 678⟩ units; lot ⟨20261103⟩"),
    ("GB", "⟪wa.me/447400111222⟫ is my chat"),
    ("GB", "FaceTime ⟪+44(7400)111222⟫ thx"),
    ("GB", "My Insta is ⟪kim.london.22⟫ and YouTube: ⟪kimvlogs_uk⟫"),
    ("GB", "the code 493021 you texted to ⟪07400 111 222⟫ expired at ⟨12:05⟩"),
    ("GB", "gps: ⟪53.80076,-1.54906⟫"),
    ("GB", "I live at 5 Rose St, ring ⟪07400/111222⟫, size ⟨S/M⟩, ref ⟨RX-0012/26⟩"),
    ("US", "⟪(646)-555-0134⟫"),
    ("US", "⟪646–555–0134⟫ works"),
    ("US", "fax: ⟪+1.646.555.0135⟫, PO# ⟨4500123456⟩, acct# ⟪0012345678⟫"),
    ("US", "⟪6465550134⟫"),
    ("US", "Customer ID ⟨88123456⟩; membership ⟨M-00412345⟩"),
    ("US", "SSN on file ⟪123-45-6789⟫ must be deleted, case # ⟨2026-000481⟩"),
    ("US", "passport ⟪A12345678⟫ exp ⟨2031⟩, flight ⟨DL 0042⟩ ⟨11/24/2026⟩"),
    ("US", "UPS ⟨1Z999AA10123456784⟩"),
    ("US", "my debit ⟪4000-0566-5566-5556⟫ pin ⟨n/a⟩ cvv2 ⟪314⟫"),
    ("US", "cash tag $kim; venmo: ⟪kim-rider-7⟫"),
    ("US", "⟪https://us02web.zoom.us/j/81234567890?pwd=QkZ⟫ was the support call, ticket ⟨ZD-448812⟩"),
    ("US", "my account link: ⟪https://shop.example.com/account?customer=88123&sig=ab12cd34ef⟫"),
    ("US", "product: ⟨https://shop.example.com/dp/B08N5WRWNW⟩"),
    ("US", "⟨https://www.example.com/blog/2026/11/03/black-friday-deals⟩"),
    ("US", "⟨https://example.com/faq#returns⟩ says ⟨30 days⟩"),
    ("US", "⟪https://example.com/verify/482913⟫"),
    ("TR", "numara: ⟪0532 1112233⟫ (eşim), ürün ⟨2 adet⟩ ⟨1.250 TL⟩"),
    ("TR", "⟪sıfır beş yüz otuz iki yüz on bir yirmi iki otuz üç⟫ numaram bu"),
    ("TR", "Kargo takip: ⟨KT123456789TR⟩, şube tel ⟪0 212 444 0 444⟫"),
    ("TR", "kimlik fotokopisi attım, no: ⟪10000000146⟫"),
    ("TR", "T.C. kimlik numaram: ⟪100 000 001 46⟫"),
    ("TR", "müşteri numaram ⟨10047712⟩, abone no ⟨4001234567⟩"),
    ("TR", "sipariş numarası ⟨2026110312345678⟩ ve fatura numarası ⟨ABC2026000001234⟩"),
    ("TR", "⟪5321112233⟫ bu numaradan arayın"),
    ("TR", "referans kodum ⟨REF-88123456⟩, dekont ⟨20261103123456⟩"),
    ("TR", "hesabıma yatırın: ⟪TR33 0006 1005 1978 6457 8413 26⟫ / Ali"),
    ("TR", "instagram: ⟪@mavi.kedi_⟫ , face: Mavi Kedi"),
    ("TR", "eposta ⟪mavi.kedi@hotmail.com⟫ , ⟪mavikedi[at]gmail[dot]com⟫"),
    ("TR", "doğum tarihi: ⟪15 Mart 1985⟫, randevu ⟨15 Mart 2027⟩ ⟨14:00⟩"),
    ("TR", "oda ⟨1204⟩, ⟨3⟩ gece, rez no ⟨88123456⟩, giriş ⟨14.00⟩"),
    ("TR", "son 4 hane ⟨4242⟩, tutar ⟨12.345,67 TL⟩, ⟨6 taksit⟩"),
    ("TR", "34 plaka değil, plaka: ⟪06 BC 1234⟫"),
    ("TR", "IMEI: ⟪353879234252633⟫"),
    ("DE", "Mobil: ⟪+49 (151) 23456789⟫ · Büro: ⟪089 / 1234-567⟫"),
    ("DE", "⟪0049 (0)151 2345 6789⟫ bitte nach ⟨18 Uhr⟩"),
    ("DE", "Rechnungsnr. ⟨RG20261103-77⟩, Kunden-Nr.: ⟨4711081500⟩"),
    ("DE", "Sendungs-ID: ⟨00340434161094042557⟩, Nachnahme ⟨119,00 EUR⟩"),
    ("DE", "Steuernummer ⟪12/345/67890⟫ vom Finanzamt"),
    ("DE", "Meine Ausweisnummer lautet ⟪T220001293⟫"),
    ("DE", "Kreditkartennummer: ⟪3714 496353 98431⟫; gültig ⟨03/28⟩; Prüfnummer ⟪1234⟫"),
    ("DE", "E-Mail: ⟪anna.schmidt(at)web(punkt)de⟫"),
    ("DE", "⟪anna ät web.de⟫"),
    ("DE", "Seriennummer ⟨C02XK0AAJG5H⟩, Modell ⟨A2337⟩, ⟨macOS 14.6.1⟩"),
    ("DE", "Gutschein ⟨XMAS-2026-77AB⟩ über ⟨25 €⟩, Mindestwert ⟨1.000,00 €⟩"),
    ("DE", "geboren ⟪01.02.1990⟫, einziehen ab ⟨01.02.2027⟩"),
    ("SA", "ابغى استرجاع للبطاقة ⟪5123 4567 8901 2346⟫ مبلغ ⟨٣٥٠٫٥٠ ريال⟩"),
    ("SA", "رقم التتبع ⟨7270012345678⟩ ورقم المندوب ⟪٠٥٥٩٨٧٦٥٤٣⟫"),
    ("SA", "هويتي ⟪1012345678⟫، الطلب ⟨SA-2026-99817⟩"),
    ("SA", "حساب تويتر ⟪noura_k_22⟫"),
    ("AE", "اتصل ب ⟪+971-4-123-4567⟫"),
    ("EG", "رقمي: ⟪+20 100 123 4567⟫، أوردر ⟨102938475⟩"),
    ("EG", "صفر عشرة هو كود؟ موبايل ⟪٠١٢٢-٣٤٥-٦٧٨٩⟫"),
    ("FR", "joignable au ⟪0033 6 12 34 56 78⟫, facture n° ⟨FA-2026-0318⟩"),
    ("ES", "mi NIE: ⟪Y-1234567-X⟫ y tarjeta ⟪4012 8888 8888 1881⟫"),
    ("IT", "tel ⟪02 1234 5678⟫ ore ⟨9-13⟩, ordine n. ⟨2026/000318⟩"),
    ("NL", "IBAN ⟪NL91ABNA0417164300⟫ geboren ⟪01-02-1990⟫"),
    ("PL", "mail ⟪jan.kowalski małpa przyklad.pl⟫"),
    ("BR", "RG ⟪12.345.678-9⟫, protocolo ⟨20261103123456⟩"),
    ("RU", "телеграм ⟪@petr_v⟫, ИНН ⟪500100732259⟫, сумма ⟨12 500 ₽⟩"),
    ("IN", "PAN card ⟪ABCPE1234F⟫, amount ⟨Rs 12,499⟩, UPI ⟪9876543210@ybl⟫"),
    ("IR", "کارت ⟪۶۰۳۷-۹۹۷۵-۱۲۳۴-۵۶۷۸⟫"),
    ("UA", "картка ⟪4149 4999 1234 5678⟫, сума ⟨250 грн⟩"),
]
ALL = [*MESSAGES, *SECOND, *THIRD]


def parsed(message):
    """The bare text, the positions that must be cut, and the strings that must stay."""
    text, private, keeps, inside, kept = "", set(), [], False, None
    for character in message:
        if character in "⟪⟫":
            inside = character == "⟪"
        elif character == "⟨":
            kept = len(text)
        elif character == "⟩":
            keeps.append(text[kept:])
        else:
            if inside and character.isalnum():
                private.add(len(text))
            text += character
    return text, private, keeps


def surviving(text, stripped):
    """Which positions of the text are still there: the pieces between placeholders, in their order."""
    kept, position = set(), 0
    pieces = PLACEHOLDER.split(stripped)
    for index, piece in enumerate(pieces):
        last = index == len(pieces) - 1
        start = len(text) - len(piece) if last and index else text.index(piece, position)
        kept.update(range(start, start + len(piece)))
        position = start + len(piece)
    return kept


@pytest.mark.parametrize(("region", "message"), ALL)
def test_what_is_private_goes_and_what_is_business_stays(region, message):
    text, private, keeps = parsed(message)
    stripped = minimize(text, region=region).text
    left = sorted(private & surviving(text, stripped))
    assert not left, (stripped, "".join(text[position] for position in left))
    assert not [keep for keep in keeps if keep not in stripped], stripped


@pytest.mark.parametrize(("region", "message"), ALL)
def test_what_was_minimized_comes_back_unchanged(region, message):
    once = minimize(parsed(message)[0], region=region).text
    assert minimize(once, region=region).text == once
