"""The database's columns but those in which a customer's words and names are at home: codes, reasons, errors, counts."""

import psycopg
from psycopg import sql

# Where they are at home, so that somebody can read and answer them; what becomes of each at an erasure is told in
# tests/integration/personal_columns.py. Everything else holds ids, codes and figures.
HOMES = {
    "message": {"provider_message_id", "text", "sender", "reply_to_provider_id", "minimized_text"},
    "message_raw": {"item"},
    "message_version": {"text", "item"},
    "customer": {"display_name"},
    "customer_identity": {"value", "match_key"},
    "unparsed_body": {"body"},
    "action": {"provider_message_id"},
}
# What left for the AI provider, by which it can be proven what did: text without personal data, as in `bytes to the AI provider`.
STRIPPED = {"egress.minimized_text"}


def columns_elsewhere(url: str) -> dict[str, bytes]:
    """By `table.column`: all values of every column that can hold words."""
    found: dict[str, bytes] = {}
    with psycopg.connect(url, autocommit=True) as conn:
        columns = conn.execute(
            """
            SELECT c.table_name, c.column_name
            FROM information_schema.columns c
            JOIN pg_class t ON t.relname = c.table_name AND t.relnamespace = 'public'::regnamespace
            WHERE c.table_schema = 'public' AND t.relkind IN ('r', 'p') AND NOT t.relispartition
              AND c.data_type IN ('text', 'character varying', 'json', 'jsonb', 'bytea', 'ARRAY')
            ORDER BY 1, 2
            """
        ).fetchall()
        homes = {(table, column) for table, names in HOMES.items() for column in names}
        assert homes <= set(columns), homes - set(columns)
        for table, column in columns:
            if column in HOMES.get(table, ()):
                continue
            query = sql.SQL("COPY (SELECT {}::text FROM {}) TO STDOUT").format(
                sql.Identifier(column), sql.Identifier(table)
            )
            with conn.cursor().copy(query) as rows:
                found[f"{table}.{column}"] = b"".join(bytes(part) for part in rows)
    return found
