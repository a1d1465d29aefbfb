"""Access tokens of Zoho: where each data centre gives them, and what its refusals mean."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from config.settings import Settings
from crm_sync.base import CrmError
from crm_sync.oauth import request_token
from crm_sync.tokens import AccessToken

DATA_CENTRES = ("com", "eu", "in", "com.au", "jp", "ca", "com.cn", "sa")
_HOSTS = r"(?:www\.|sandbox\.)?(?:zohoapis|zohocloud)\.(?:com|eu|in|com\.au|jp|ca|com\.cn|sa)"
# Zoho gives ten access tokens in ten minutes for one refresh token.
TOKEN_LIMIT_WAIT_S = 600.0


def data_centre(credentials: Mapping[str, str]) -> str:
    """Raises: CrmError for one that Zoho does not have, KeyError where none is given."""
    dc = credentials["dc"].strip().lower().removeprefix(".")
    if dc not in DATA_CENTRES:
        raise CrmError("data_centre_unknown:use_" + "_or_".join(DATA_CENTRES), permanent=False, connection_broken=True)
    return dc


def account_of(credentials: Mapping[str, str]) -> str:
    """What tells the account of these credentials from others, without telling them. Raises: KeyError where one is missing."""
    parts = [credentials[name] for name in ("dc", "client_id", "refresh_token")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def fetch_token(credentials: Mapping[str, str], settings: Settings) -> AccessToken:
    """A new access token, with the address of the API that it opens. Raises: CrmError naming the data centre."""
    dc = data_centre(credentials)
    form = {
        "grant_type": "refresh_token",
        "client_id": credentials["client_id"],
        "client_secret": credentials["client_secret"],
        "refresh_token": credentials["refresh_token"],
    }
    failure: CrmError
    try:
        url, hosts = f"{accounts_url(dc, settings)}/oauth/v2/token", None if settings.zoho_accounts_url else _HOSTS
        token = request_token(url, form, base_key="api_domain", base_hosts=hosts)
    except CrmError as error:
        failure = _naming(error, dc)
    else:
        return token if token.api_base else replace(token, api_base=f"https://www.{_api_host(dc)}")
    raise failure


def accounts_url(dc: str, settings: Settings) -> str:
    """Where a data centre gives tokens."""
    if settings.zoho_accounts_url:
        return settings.zoho_accounts_url
    return "https://accounts.zohocloud.ca" if dc == "ca" else f"https://accounts.zoho.{dc}"


def _api_host(dc: str) -> str:
    return f"zohoapis.{dc}"


def _naming(error: CrmError, dc: str) -> CrmError:
    """Clients and refresh tokens exist in their own data centre only: in another one they are unknown."""
    if error.connection_broken and error.code.startswith("token_refused:"):
        return CrmError(f"{error.code}:dc_{dc}", permanent=False, connection_broken=True)
    if error.connection_broken:
        return error
    if error.code == "token_invalid_client_secret":
        return CrmError(f"token_refused:invalid_client_secret:dc_{dc}", permanent=False, connection_broken=True)
    if error.code == "token_http_400":
        # "Access Denied", which is no code: too many tokens within ten minutes.
        return CrmError("rate_limit_tokens", permanent=False, retry_after_s=TOKEN_LIMIT_WAIT_S)
    return CrmError(error.code, permanent=error.permanent, retry_after_s=error.retry_after_s)
