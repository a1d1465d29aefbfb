"""A tenant's settings as a tenant file: for those who keep it in version control after it was changed in the console."""

import re
from typing import Any

import tomli_w

from config.crm import CREDENTIALS
from config.tenant_file import ENV_PREFIX
from store.tenant_export import TenantExport

_HEAD = """\
# Settings of {slug} as they are stored, version {version}. Secrets are never exported: set the environment variables that stand
# below after "env:", or write the secrets in their place, before this file is applied.
"""
# What a file gives without being a secret: read back as it is stored.
_NO_SECRETS = {"domain", "dc"}
_CHANNEL_SECRETS = ("app_secret", "verify_token", "access_token")


def write_tenant_file(export: TenantExport) -> str:
    """TOML text that `earshot tenant apply` takes once the secrets are there."""
    config = export.settings.config

    def secret(*parts: str) -> str:
        return ENV_PREFIX + re.sub(r"[^A-Z0-9]+", "_", "_".join((config.slug, *parts)).upper())

    document: dict[str, Any] = {
        "slug": config.slug,
        "name": config.name,
        **config.model_dump(mode="json", exclude_defaults=True),
    }
    for kind in export.secret_kinds:
        document["actions"][kind]["secret"] = secret(kind, "secret")
    document["channels"] = [
        {
            **account,
            **{
                name: secret(account["kind"], account["account_id"], name)
                # A channel of the tenant's own signs, and has no tokens.
                for name in (_CHANNEL_SECRETS if account["kind"] != "generic" else _CHANNEL_SECRETS[:1])
            },
        }
        for account in export.accounts
    ]
    if export.crm:
        names = CREDENTIALS[export.crm["kind"]][0]
        document["crm"] = {
            **export.crm,
            **{name: secret(export.crm["kind"], name) for name in names if name not in _NO_SECRETS},
        }
    document["alerts"] = [{**target, "to": secret("alerts", target["name"])} for target in export.targets]
    filled = {name: value for name, value in document.items() if value not in ([], {})}
    return _HEAD.format(slug=config.slug, version=export.settings.version) + tomli_w.dumps(_without_none(filled))


def _without_none(value: Any) -> Any:
    """TOML has no null."""
    if isinstance(value, dict):
        return {name: _without_none(one) for name, one in value.items() if one is not None}  # pyright: ignore[reportUnknownVariableType]
    return [_without_none(one) for one in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]
