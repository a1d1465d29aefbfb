"""`python -m devstack.first_connection [PASSWORD_FILE]`: whether the database that DATABASE_URL names lets us in; with PASSWORD_FILE, where the
embedded server's password lies, the database is made where it is missing.

A program of its own: psycopg would cost the supervisor 13 MB for as long as it runs.
"""

import os
import sys

import psycopg
from psycopg import sql

from config.environment import environment_value

PATIENCE_S = 5


def create_missing(url: str) -> None:
    """Create the database that the URL names on its server, unless it is there. Raises: psycopg.OperationalError."""
    server, _, name = url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True, connect_timeout=PATIENCE_S) as conn:
        if conn.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def lets_in(url: str) -> bool:
    """A query is answered."""
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=PATIENCE_S) as conn:
            conn.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def main(arguments: list[str]) -> None:
    """Raises: SystemExit with what is wrong."""
    url = environment_value(os.environ, "DATABASE_URL") or ""
    if not arguments:
        if not lets_in(url):
            sys.exit("the database that DATABASE_URL names does not answer, or refuses the user")
        return
    try:
        create_missing(url)
    except psycopg.OperationalError as error:
        # Of a connection that fails the driver tells the server's words alone, no code.
        if "password authentication failed" not in str(error):
            sys.exit("the embedded Postgres does not answer; see its log beside this one")
        sys.exit(f"the embedded Postgres refuses the password in {arguments[0]}; was that file replaced?")


if __name__ == "__main__":
    main(sys.argv[1:])
