"""Numbers that prove what they are: payment cards, bank accounts and national identities by their check digits."""

from collections.abc import Callable
from functools import cache

CARD_LENGTHS = range(13, 20)
_SHORTEST_IBAN = 15
_LONGEST_IBAN = 34
# ISO 13616 registry, release 98: the length of an IBAN is fixed for each country.
_LENGTHS = """
AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18
FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IR26 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25
MA28 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19
SK24 SM27 SO23 ST25 SV28 SY25 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 DZ26 AO25 BF28 BJ28 CF27 CG27 CI28 CM27 CV25 GA27 GQ27 GW25
IC27 KM27 MG27 ML28 MZ25 NE28 SN28 TD27 TG28
"""
IBAN_LENGTHS = {entry[:2].lower(): int(entry[2:]) for entry in _LENGTHS.split()}


def is_card(digits: str) -> bool:
    """A payment card: 13 to 19 digits, a known first digit, Luhn checksum (ISO/IEC 7812)."""
    if len(digits) not in CARD_LENGTHS or digits[0] not in "234569":
        return False
    total = sum(map(int, digits[-1::-2]))
    return (total + sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])) % 10 == 0


def is_iban(compact: str) -> bool:
    """ISO 13616: remainder 1 modulo 97. compact: lower case, letters a to z and digits only."""
    if not _SHORTEST_IBAN <= len(compact) <= _LONGEST_IBAN or not compact.isascii():
        return False
    rearranged = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in rearranged)) % 97 == 1


@cache
def _numeric_checks() -> dict[int, tuple[Callable[[str], bool], ...]]:
    # stdnum is imported on first use: not every process that imports this module minimizes.
    from stdnum.be import nn
    from stdnum.br import cnpj, cpf
    from stdnum.de import idnr
    from stdnum.fr import nir
    from stdnum.in_ import aadhaar
    from stdnum.nl import bsn
    from stdnum.pl import pesel
    from stdnum.tr import tckimlik

    return {
        9: (bsn.is_valid,),
        11: (tckimlik.is_valid, idnr.is_valid, pesel.is_valid, cpf.is_valid, nn.is_valid),
        12: (aadhaar.is_valid,),
        14: (cnpj.is_valid,),
        15: (nir.is_valid,),
    }


def is_national_id(digits: str) -> bool:
    """A national identity number by its checksum, or by the Emirates' own beginning. Only names what is cut anyway."""
    if len(digits) == 15 and digits.startswith("784"):
        return True
    return any(check(digits) for check in _numeric_checks().get(len(digits), ()))


@cache
def _lettered_checks() -> dict[int, tuple[Callable[[str], bool], ...]]:
    from stdnum.es import dni, nie
    from stdnum.fr import nir
    from stdnum.in_ import pan
    from stdnum.it import codicefiscale

    return {9: (dni.is_valid, nie.is_valid), 10: (pan.is_valid,), 15: (nir.is_valid,), 16: (codicefiscale.is_valid,)}


def is_lettered_id(compact: str) -> bool:
    """A national identity with letters: Spain, Italy, India, France (Corsica). compact: without blanks and dashes."""
    return any(check(compact) for check in _lettered_checks().get(len(compact), ()))
