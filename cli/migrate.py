"""`earshot migrate`"""

import argparse
import os

from cli.errors import CommandError
from cli.main import add_data_argument
from config.settings import SettingsError, environment_value
from store.db import StoreError
from store.migrate import app_role_name, migrate
from store.secrets import Keyring, SecretError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Needs DATABASE_URL of a role that may create tables and roles, APP_DATABASE_PASSWORD and EARSHOT_KEYS."""
    add_data_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Migrate the database that DATABASE_URL names."""
    _ = options
    try:
        values = {
            name: environment_value(os.environ, name)
            for name in ("DATABASE_URL", "APP_DATABASE_PASSWORD", "EARSHOT_KEYS")
        }
        missing = [name for name, value in values.items() if not value]
        if missing:
            message = f"set {', '.join(missing)} (or <NAME>_FILE); DATABASE_URL must be a role that may create tables and roles"
            raise CommandError(message)
        url, password, keys = (str(value) for value in values.values())
        applied = migrate(url, app_password=password, keyring=Keyring.parse(keys))
    except (SettingsError, SecretError, StoreError) as error:
        raise CommandError(str(error)) from None
    print("applied: " + ", ".join(applied) if applied else "the schema is current")
    print(f"processes log in as {app_role_name(url)}")
    return 0
