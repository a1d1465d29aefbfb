"""Which errors of the database another try may cure: a message is parked for the others."""

import psycopg
import pytest

from store.db import store_error


@pytest.mark.parametrize(
    ("error", "code", "permanent"),
    [
        (psycopg.errors.DeadlockDetected(), "sqlstate_40P01", False),
        (psycopg.errors.DiskFull(), "sqlstate_53100", False),
        (psycopg.errors.UniqueViolation(), "sqlstate_23505", True),
        (psycopg.errors.UndefinedColumn(), "sqlstate_42703", True),
        # A pooler has mixed up two sessions.
        (psycopg.errors.DuplicatePreparedStatement(), "sqlstate_42P05", False),
        (psycopg.errors.InvalidSqlStatementName(), "sqlstate_26000", False),
        (psycopg.OperationalError("no route to host 10.0.0.1"), "no_connection", False),
        (psycopg.DataError("a NUL in 'words of a customer'"), "unusable_value", True),
    ],
)
def test_only_what_another_try_cannot_cure_is_permanent_and_nothing_is_quoted(error, code, permanent):
    told = store_error(error)
    assert (str(told), told.permanent) == (code, permanent)
