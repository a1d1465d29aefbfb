"""No table is forgotten when a customer is erased, and no sealed column when keys are rotated."""

from store.key_rotation import SEALED
from tests.integration.personal_columns import EMPTIED, KEPT, ROWS_GO


def columns(owner, *types):
    return owner.execute(
        """
        SELECT c.relname, a.attname
        FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND a.attnum > 0 AND NOT a.attisdropped AND format_type(a.atttypid, NULL) = ANY(%s)
        ORDER BY 1, 2
        """,
        (list(types),),
    ).fetchall()


def test_every_column_that_could_hold_words_is_erased_or_kept_for_a_reason(owner):
    found = columns(owner, "text", "jsonb", "json", "bytea", "text[]", "jsonb[]", "character varying")
    assert len(found) > 150
    forgotten = [
        f"{table}.{column}"
        for table, column in found
        if table not in ROWS_GO and column not in EMPTIED.get(table, ()) and table not in KEPT
    ]
    assert forgotten == [], "say in personal_columns.py what becomes of these when a customer is erased"
    tables = {table for table, _ in found}
    assert ROWS_GO | set(EMPTIED) | set(KEPT) <= tables
    assert {(table, column) for table, names in EMPTIED.items() for column in names} <= set(found)
    assert not ROWS_GO & set(KEPT)


def test_what_stays_in_a_tombstone_is_named_column_by_column(owner):
    """A new column of these tables is looked at by itself: most of it goes."""
    kept = {
        "message": {"account_id", "author", "channel", "direction", "message_type", "minimizer_version", "state", "surface"},
        "egress": {"model", "outcome", "prompt_hash", "prompt_version", "provider", "purpose", "request_id"},
        "correction": {"field", "model_value", "new_value", "old_value"},
    }  # fmt: skip
    for table, names in kept.items():
        held = {name for of, name in columns(owner, "text", "jsonb", "bytea", "text[]") if of == table}
        assert held - EMPTIED[table] == names, table


def test_every_sealed_column_is_rotated(owner):
    sealed = {
        ("installation_secret", "ciphertext"), ("channel_account", "app_secrets"), ("channel_account", "verify_token"),
        ("channel_account", "access_token"), ("crm_connection", "credentials"), ("crm_connection", "access_token"),
        ("action_secret", "secret"), ("alert_target", "url"), ("webhook_subscription", "url"), ("webhook_subscription", "secret"),
        ("webhook_subscription", "old_secret"),
    }  # fmt: skip
    no_secrets = {
        ("action", "sent_hash"), ("api_key", "key_hash"), ("api_write", "request_hash"), ("channel_account", "applied_token_hash"),
        ("comment_twin", "message_key"), ("comment_twin", "twin_key"), ("erased_identity", "key"), ("message_key", "key"),
        ("message_raw", "item"), ("message_reaction", "actor_key"), ("message_reaction", "target_key"), ("message_version", "item"),
        ("one_time_link", "token_hash"), ("sweep_item", "sent_hash"), ("unparsed_body", "body"), ("web_session", "token_hash"),
    }  # fmt: skip
    assert {(one.table, one.column) for one in SEALED} == sealed
    assert set(columns(owner, "bytea")) == sealed | no_secrets
