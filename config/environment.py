"""Single values of the environment, and what is wrong with one. Apart from settings.py, so that the supervisor need not load its models."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from config.server_addresses import AddressError, check_kind

SECRET_FILE_SUFFIX = "_FILE"  # noqa: S105 -- a suffix, no secret
# Addresses with a password in them. One that holds a character of addresses is read as host or port, and drivers say in errors and logs
# which host or port they did not like.
SERVER_ADDRESSES = ("DATABASE_URL", "REDIS_URL", "BROKER_URL")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]@]*)(:\d{1,5})?")
_HALF_AN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class SettingsError(Exception):
    """The environment lacks something or holds something unusable; the text names the variable, never its value."""


def _read_secret_file(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        message = f"{name}{SECRET_FILE_SUFFIX} names a file that cannot be read ({reason}): {path}"
        raise SettingsError(message) from None


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    hosts = parts.netloc.rpartition("@")[2].split(",")  # Postgres takes several
    is_whole = "://" in url and parts.netloc.count("@") <= 1 and not parts.fragment and not _HALF_AN_ESCAPE.search(url)
    return is_whole and all(_HOST.fullmatch(host) for host in hosts)


def _check_addresses(name: str, value: str) -> None:
    """One address, or several with a semicolon between them (Sentinel, RabbitMQ)."""
    if not all(_is_address(url) for url in value.split(";")):
        message = (
            f"{name} is no address such as scheme://user:password@host:port/name; "
            "in a password write @ as %40, / as %2F, # as %23, ? as %3F, % as %25"
        )
        raise SettingsError(message)
    try:
        check_kind(name, value)
    except AddressError as error:
        raise SettingsError(str(error)) from None


def environment_value(environ: Mapping[str, str], name: str) -> str | None:
    """The value of `name`, or the content of the file that `<name>_FILE` points at; None when neither is set.

    Raises: SettingsError when both are set, the file cannot be read, or a server's address is none.
    """
    direct, path = environ.get(name), environ.get(name + SECRET_FILE_SUFFIX)
    if path:
        if direct:
            message = f"set either {name} or {name}{SECRET_FILE_SUFFIX}, not both"
            raise SettingsError(message)
        direct = _read_secret_file(name, path)
    if direct and name in SERVER_ADDRESSES:
        _check_addresses(name, direct)
    return direct or None
