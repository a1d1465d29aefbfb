"""What each kind of child is told: settings for all, a secret only for the process that needs it."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from config.environment import SECRET_FILE_SUFFIX

NEEDED_BY_SOME = ("SECRET_KEY", "FLOWER_BASIC_AUTH", "APP_DATABASE_PASSWORD")


def without(environ: Mapping[str, str], *names: str) -> dict[str, str]:
    """The environment without these variables and their `<NAME>_FILE`."""
    unwanted = {*names, *(name + SECRET_FILE_SUFFIX for name in names)}
    return {name: value for name, value in environ.items() if name not in unwanted}


def shared_environment(environ: Mapping[str, str], *, replaced: Mapping[str, str]) -> dict[str, str]:
    """The user's environment with what the stack decides in place of the user's values.

    replaced: by variable or `<NAME>_FILE`. Paths become absolute, because children work in another folder.
    """
    names = {name.removesuffix(SECRET_FILE_SUFFIX) for name in replaced}
    kept = without(environ, *NEEDED_BY_SOME, *names)
    for name, value in kept.items():
        if name.endswith(SECRET_FILE_SUFFIX) and value:
            kept[name] = str(Path(value).absolute())
    return {"PATH": os.defpath, **kept, **replaced, "PYTHONUNBUFFERED": "1"}


def app_database_url(owner_url: str, *, password: str) -> str:
    """The database as its restricted role `<database>_app`, which `migrate` creates.

    The same rule as in store.migrate, which would bring the connection pool into the supervisor.
    """
    parts = urlsplit(owner_url)
    role = f"{parts.path.lstrip('/') or 'postgres'}_app"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(role, safe='')}:{quote(password, safe='')}@{host}"))
