"""What ids of a CRM's records look like, and the page where a person sees one."""

import re

_IDS = {
    "hubspot": re.compile(r"[0-9]{1,20}"),
    "salesforce": re.compile(r"003[0-9A-Za-z]{12}(?:[0-9A-Za-z]{3})?"),
    "zoho": re.compile(r"[0-9]{1,25}"),
    "pipedrive": re.compile(r"[0-9]{1,19}"),
}
_LOOKS = {
    "hubspot": "the contact's record id, digits only",
    "salesforce": "the contact's id, 15 or 18 letters and digits that begin with 003",
    "zoho": "the contact's id, digits only",
    "pipedrive": "the person's id, digits only",
}
_CHECK_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
# Zoho's pages in Canada are under a domain of their own.
_ZOHO_HOSTS = {"ca": "crm.zohocloud.ca"}


def read_record_id(kind: str, given: str) -> str | None:
    """The id as the CRM itself gives it, None when no contact of this CRM can have it. Salesforce's short ids are made long."""
    given = given.strip()
    if kind not in _IDS or not _IDS[kind].fullmatch(given):
        return None
    return _long_id(given) if kind == "salesforce" else given


def describe_record_id(kind: str) -> str:
    """How an id looks, for a person who must give one."""
    return _LOOKS.get(kind, "the CRM's own id of the record")


def record_url(kind: str, *, account_id: str | None, site: str | None, record_id: str) -> str | None:
    """The page of a contact; None where the account's address is not known.

    account_id: as a check of the credentials told. site: `domain` or `dc` of the tenant file.
    """
    if read_record_id(kind, record_id) is None:
        return None
    if kind == "hubspot" and account_id:
        return f"https://app.hubspot.com/contacts/{account_id}/record/0-1/{record_id}"
    if kind == "salesforce" and site:
        return f"https://{site}/{record_id}"
    if kind == "zoho" and site and account_id:
        return f"https://{_ZOHO_HOSTS.get(site, f'crm.zoho.{site}')}/crm/org{account_id}/tab/Contacts/{record_id}"
    if kind == "pipedrive" and site:
        return f"https://{site.removesuffix('.pipedrive.com')}.pipedrive.com/person/{record_id}"
    return None


def _long_id(given: str) -> str:
    """Salesforce's 18-character id of a 15-character one: three letters that say which of the others are capitals.

    An id of 18 is taken as it is.
    """
    if len(given) != 15:
        return given
    groups = (given[start : start + 5] for start in (0, 5, 10))
    bits = (sum(letter.isupper() << place for place, letter in enumerate(group)) for group in groups)
    return given + "".join(_CHECK_LETTERS[one] for one in bits)
