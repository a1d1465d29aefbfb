"""Keys and passwords of a stack: from the environment, or generated once into the data folder."""

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.environment import SECRET_FILE_SUFFIX, environment_value
from devstack.private_file import write_private
from devstack.stack_error import StackError


@dataclass(frozen=True)
class Secret:
    """One secret. path: the file that holds it; None when the environment held the value itself."""

    name: str
    value: str = field(repr=False)
    path: Path | None
    is_new: bool = False

    def as_environment(self) -> dict[str, str]:
        """What tells a child: the file's name where there is a file."""
        return {self.name + SECRET_FILE_SUFFIX: str(self.path)} if self.path else {self.name: self.value}


def _encryption_key() -> str:
    return "k1:" + base64.b64encode(secrets.token_bytes(32)).decode()


def _password() -> str:
    return secrets.token_urlsafe(24)


GENERATORS: dict[str, Callable[[], str]] = {
    "EARSHOT_KEYS": _encryption_key,
    "SECRET_KEY": _password,
    "FLOWER_BASIC_AUTH": lambda: f"ops:{_password()}",
    "APP_DATABASE_PASSWORD": _password,
    "OWNER_DATABASE_PASSWORD": _password,
    "REDIS_PASSWORD": _password,
    "EARSHOT_ADMIN_PASSWORD": _password,
}
# Of the embedded servers alone; a variable of this name belongs to something else.
NEVER_FROM_ENVIRONMENT = ("OWNER_DATABASE_PASSWORD", "REDIS_PASSWORD")
# Without these, data written earlier cannot be opened: never generated beside an existing database.
OPENS_DATA = ("EARSHOT_KEYS", "OWNER_DATABASE_PASSWORD")


class Secrets:
    """The secrets of one stack."""

    def __init__(self, folder: Path, *, environ: Mapping[str, str], has_data: bool) -> None:
        """has_data: the folder's database exists already."""
        self._folder = folder
        self._environ = environ
        self._has_data = has_data

    def get(self, name: str) -> Secret:
        """A secret of GENERATORS: the environment's, else the folder's, else a new one.

        Raises: SettingsError, StackError when a file cannot be read or a key that opens existing data is gone.
        """
        value = None if name in NEVER_FROM_ENVIRONMENT else environment_value(self._environ, name)
        if value:
            given = self._environ.get(name + SECRET_FILE_SUFFIX)
            return Secret(name, value, Path(given).resolve() if given else None)
        path = self._folder / name
        if path.exists():
            return Secret(name, self._read(path), path)
        if name in OPENS_DATA and self._has_data:
            message = (
                f"{path} is gone, and without it the data cannot be opened: put it back, or start anew with --data"
            )
            raise StackError(message)
        value = GENERATORS[name]()
        write_private(path, value + "\n")
        return Secret(name, value, path, is_new=True)

    def _read(self, path: Path) -> str:
        try:
            value = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            message = f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
            raise StackError(message) from None
        if not value:
            message = f"{path} is empty"
            raise StackError(message)
        return value

    def keep(self, name: str, value: str) -> Secret:
        """Write a value that follows from others (a URL with its password), replacing the last one."""
        path = self._folder / name
        write_private(path, value + "\n")
        return Secret(name, value, path)
