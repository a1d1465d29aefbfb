"""What people are told of a CRM's records and refusals."""

import pytest

from crm_sync.advice import fix_for
from crm_sync.record_pages import read_record_id, record_url


@pytest.mark.parametrize(
    ("kind", "given", "known"),
    [
        ("hubspot", " 12345 ", "12345"),
        ("hubspot", "12a", None),
        ("hubspot", "", None),
        ("pipedrive", "7", "7"),
        ("zoho", "5725767000000384001", "5725767000000384001"),
        ("salesforce", "003D000000QOMqg", "003D000000QOMqgIAH"),
        ("salesforce", "003D000000QOMqgIAH", "003D000000QOMqgIAH"),
        ("salesforce", "001D000000QOMqg", None),
        ("salesforce", "003D000000QOMqg/x", None),
        ("abacus", "1", None),
    ],
)
def test_ids_are_read_as_the_crm_gives_them(kind, given, known):
    assert read_record_id(kind, given) == known


@pytest.mark.parametrize(
    ("kind", "account_id", "site", "record_id", "url"),
    [
        ("hubspot", "777", None, "5", "https://app.hubspot.com/contacts/777/record/0-1/5"),
        ("hubspot", None, None, "5", None),
        (
            "salesforce",
            None,
            "acme.my.salesforce.com",
            "003D000000QOMqgIAH",
            "https://acme.my.salesforce.com/003D000000QOMqgIAH",
        ),
        ("zoho", "99", "eu", "5", "https://crm.zoho.eu/crm/org99/tab/Contacts/5"),
        ("zoho", "99", "ca", "5", "https://crm.zohocloud.ca/crm/org99/tab/Contacts/5"),
        ("zoho", None, "eu", "5", None),
        ("pipedrive", None, "acme", "5", "https://acme.pipedrive.com/person/5"),
        ("pipedrive", None, "acme.pipedrive.com", "5", "https://acme.pipedrive.com/person/5"),
        ("pipedrive", "1", None, "5", None),
        ("hubspot", "777", None, "../x", None),
    ],
)
def test_the_page_of_a_record_is_told_where_it_is_known(kind, account_id, site, record_id, url):
    assert record_url(kind, account_id=account_id, site=site, record_id=record_id) == url


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        ("missing_scopes:crm.objects.contacts.read", "grant these scopes"),
        ("token_refused:invalid_code:dc_eu", "make new credentials"),
        ("invalid_authentication", "make new credentials"),
        ("invalid_session_id", "make new credentials"),
        ("token_http_503", "tried again"),
        ("credential_missing:dc", "under [crm] in the tenant file"),
        ("budget_used", "day_share"),
        ("no_permission", "grant Earshot's user"),
        ("no_connection", "reachable from here?"),
        ("no_token_answer", "reachable from here?"),
        ("something_new", "docs/crm.md"),
    ],
)
def test_a_code_comes_with_what_to_do(code, fix):
    assert fix in fix_for(code)
