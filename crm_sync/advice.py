"""What an administrator does about a code of a CRM's refusal."""

# By what the code begins with; the first that fits.
_FIXES = (
    ("credential_missing:", "give it under [crm] in the tenant file and apply the file"),
    ("missing_scopes", "grant these scopes to the key or app in the CRM, or make a new token with them"),
    ("oauth_scope_mismatch", "make a new refresh token with all scopes of docs/crm/zoho.md"),
    ("missing_permission:", "grant these rights to Earshot's user in the CRM"),
    ("insufficient_access", "grant Earshot's user in the CRM access to these records"),
    ("no_permission", "grant Earshot's user in the CRM access to the API, contacts, notes and tasks"),
    ("forbidden", "grant Earshot's user in the CRM the rights that docs/crm names"),
    ("payment_required", "the CRM's plan or trial has ended: renew it there"),
    ("data_centre_unknown", "correct dc under [crm] in the tenant file and apply the file"),
    ("domain_", "correct domain under [crm] in the tenant file and apply the file"),
    ("private_key_unusable", "give an RSA key in PEM as private_key under [crm] in the tenant file and apply the file"),
    ("address_unusable", "correct domain under [crm], or the CRM's address in the environment"),
    (
        "token_names_strange_host",
        "check the domain under [crm]: the CRM names an address that is not the vendor's for its API",
    ),
    ("token_address_unusable", "correct domain under [crm], or the CRM's address in the environment"),
    ("crm_not_supported:", "name another kind under [crm] in the tenant file"),
    ("budget_used", "it goes on tomorrow; raise day_share or day_limit under [crm] for more"),
    ("rate_limit", "the CRM's limit is reached; it goes on by itself"),
    ("field_missing:", "earshot crm provision makes our fields; a field of your own is corrected under [crm]"),
    ("token_http_5", "the CRM is out of order; it is tried again by itself"),
    ("token_answer", "a proxy or the CRM answers with something else than a token; it is tried again by itself"),
    ("token_wait", "another worker is fetching a token: try again in a minute"),
    ("token_", "make new credentials in the CRM, put them under [crm] in the tenant file and apply the file"),
    ("no_", "is the CRM reachable from here? it is tried again by itself"),
    ("http_5", "the CRM is out of order; it is tried again by itself"),
    ("answer_", "a proxy or the CRM answers with something else than data; it is tried again by itself"),
)
# Each CRM has its own words for credentials that it does not take.
_OF_CREDENTIALS = ("authentication", "token", "session", "grant", "client", "http_401", "unauthorized", "login")


def fix_for(code: str) -> str:
    """A clause without a full stop."""
    for beginning, fix in _FIXES:
        if code.startswith(beginning):
            return fix
    if any(word in code for word in _OF_CREDENTIALS):
        return dict(_FIXES)["token_"]
    return "see docs/crm.md and the CRM's page under docs/crm"
