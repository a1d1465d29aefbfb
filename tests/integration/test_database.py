"""The schema keeps tenants apart, whatever the code above it does."""

import re
import threading

import psycopg
import pytest

from store.db import SESSION_OPTIONS, Database, StoreError, act_for_tenant
from store.migrate import list_migrations, migrate
from store.secrets import Keyring, SecretError
from store.tenants import list_tenants
from tests.conftest import PASSWORD


def test_every_table_with_a_tenant_is_under_forced_row_level_security(owner):
    rows = owner.execute(
        """
        SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,
               (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid), c.relispartition
        FROM pg_class c
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'schema_migration'
        """
    ).fetchall()
    assert len(rows) > 30
    for name, enabled, forced, policies, is_partition in rows:
        assert enabled and forced, name
        assert policies or is_partition, name


def test_the_role_of_processes_can_neither_bypass_nor_create(app_url):
    with psycopg.connect(app_url) as conn:
        row = conn.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert row == (False, False, False, False)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("CREATE TABLE mine (id int)")


def test_a_transaction_without_a_tenant_sees_nothing(app_url, owner, tenant_ids):
    owner.execute("INSERT INTO customer (tenant_id) VALUES (%s)", (tenant_ids["acme"],))
    with psycopg.connect(app_url) as conn:
        assert conn.execute("SELECT count(*) FROM customer").fetchone() == (0,)


def test_a_tenant_sees_only_its_own_rows(database, owner, tenant_ids):
    for slug in ("acme", "other"):
        owner.execute("INSERT INTO customer (tenant_id, display_name) VALUES (%s, %s)", (tenant_ids[slug], slug))
    with database.tenant_transaction(tenant_ids["acme"]) as conn:
        assert conn.execute("SELECT display_name FROM customer").fetchall() == [("acme",)]


def test_a_system_transaction_may_begin_by_acting_for_a_tenant_and_go_on_for_another(database, owner, tenant_ids):
    for slug in ("acme", "other"):
        owner.execute("INSERT INTO customer (tenant_id, display_name) VALUES (%s, %s)", (tenant_ids[slug], slug))
    with database.system_transaction(acting_for=tenant_ids["acme"]) as conn:
        assert conn.execute("SELECT display_name FROM customer").fetchall() == [("acme",)]
        act_for_tenant(conn, tenant_ids["other"])
        assert conn.execute("SELECT display_name FROM customer").fetchall() == [("other",)]
        assert len(list_tenants(conn)) == 2
    with database.system_transaction() as conn:
        assert conn.execute("SELECT display_name FROM customer").fetchall() == []


def test_a_tenant_cannot_write_rows_of_another(database, tenant_ids):
    with pytest.raises(StoreError, match="42501"), database.tenant_transaction(tenant_ids["acme"]) as conn:
        conn.execute("INSERT INTO customer (tenant_id) VALUES (%s)", (tenant_ids["other"],))


def test_the_system_scope_does_not_open_tables_with_customer_text(database, owner, tenant_ids):
    owner.execute("INSERT INTO customer (tenant_id) VALUES (%s)", (tenant_ids["acme"],))
    with database.system_transaction() as conn:
        assert len(list_tenants(conn)) == 2
        for table in ("customer", "message", "message_analysis", "egress", "conversation", "message_raw"):
            assert conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_the_tenant_of_a_transaction_does_not_leak_to_the_next_on_the_connection(app_url, tenant_ids):
    with psycopg.connect(app_url) as conn:
        with conn.transaction():
            act_for_tenant(conn, tenant_ids["acme"])
        assert conn.execute("SELECT app_tenant()").fetchone() == (None,)


def test_migrating_again_changes_nothing(owner_database_url, keyring):
    assert migrate(owner_database_url, app_password=PASSWORD, keyring=keyring) == []


def test_an_edited_migration_is_refused(owner_database_url, owner, keyring):
    owner.execute("UPDATE schema_migration SET checksum = 'other'")
    with pytest.raises(StoreError, match="was edited"):
        migrate(owner_database_url, app_password=PASSWORD, keyring=keyring)


def test_migrations_are_numbered_without_gaps():
    versions = [migration.version for migration in list_migrations()]
    assert versions == list(range(1, len(versions) + 1))


def test_commits_are_durable_in_every_session(database):
    with database.system_transaction() as conn:
        assert conn.execute("SHOW synchronous_commit").fetchone() == ("on",)


def test_sessions_behind_a_pooler_that_drops_their_options_have_the_same_settings(app_url):
    with psycopg.connect(app_url) as conn:
        for setting in re.findall(r"-c (\S+)", SESSION_OPTIONS):
            name, _, value = setting.partition("=")
            stands = conn.execute("SELECT setting, source FROM pg_settings WHERE lower(name) = %s", (name,)).fetchone()
            assert stands == (value, "user"), name


def test_the_servers_of_a_stack_survive_a_kill():
    from devstack.embedded import POSTGRES_SETTINGS

    # The tests' own server writes without waiting; whole stacks, which are killed in tests, do not.
    durable = ("fsync", "synchronous_commit", "full_page_writes")
    assert {POSTGRES_SETTINGS[name] for name in durable} == {"on"}


def test_messages_land_in_the_partition_of_their_month(owner):
    row = owner.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'message'::regclass").fetchone()
    assert row is not None and row[0] >= 5
    bound = owner.execute(
        "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMM') = right(c.relname, 6) "
        "FROM pg_class c WHERE c.relname = 'message_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')"
    ).fetchone()
    assert bound == (True,)


def test_secrets_open_only_in_their_own_place(owner, keyring, tenant_ids):
    rows = dict(owner.execute("SELECT tenant_id, access_token FROM channel_account WHERE kind = 'whatsapp'").fetchall())
    place = {"table": "channel_account", "column": "access_token"}
    assert keyring.decrypt(rows[tenant_ids["acme"]], tenant_id=tenant_ids["acme"], **place) == b"acme-token"
    with pytest.raises(SecretError):
        keyring.decrypt(rows[tenant_ids["acme"]], tenant_id=tenant_ids["other"], **place)
    with pytest.raises(SecretError):
        keyring.decrypt(
            rows[tenant_ids["acme"]], tenant_id=tenant_ids["acme"], table="channel_account", column="verify_token"
        )


def test_no_secret_stands_in_the_database_in_clear(owner):
    for table in ("channel_account", "crm_connection", "tenant"):
        dump = str(owner.execute(f"SELECT * FROM {table}").fetchall())
        for secret in ("acme-secret", "acme-token", "acme-verify", "acme-hubspot"):
            assert secret not in dump, (table, secret)


def test_a_key_that_is_not_one_is_refused_without_being_quoted():
    with pytest.raises(SecretError) as caught:
        Keyring.parse("k1:c2hvcnQ=")
    assert "c2hvcnQ" not in str(caught.value)


def test_a_value_that_no_text_can_hold_is_wrong_for_good_and_no_lost_connection(database):
    with pytest.raises(StoreError, match="unusable_value") as told, database.system_transaction() as conn:
        conn.execute("SELECT %s::text", ("secret\0",))
    assert told.value.permanent and "secret" not in str(told.value)


def test_a_pool_that_lost_all_its_connections_is_replaced(app_url):
    database = Database(app_url, pool_size=2, wait_s=1.0)
    lost = [database._pool.getconn() for _ in range(2)]
    with pytest.raises(StoreError, match="pool_timeout"), database.system_transaction():
        pass
    with database.system_transaction() as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    for conn in lost:
        conn.close()
    database.close()


def test_a_pool_that_is_only_busy_is_kept_with_its_connections(app_url):
    database = Database(app_url, pool_size=1, wait_s=0.6)
    pool, refused = database._pool, []

    def use():
        try:
            with database.system_transaction() as conn:
                conn.execute("SELECT pg_sleep(0.2)")
        except StoreError as error:
            refused.append(error.code)

    threads = [threading.Thread(target=use) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "pool_timeout" in refused
    assert database._pool is pool
    database.close()


def test_a_deadline_inside_the_pool_does_not_silence_it_for_ever(app_url):
    class DeadlineError(BaseException):
        pass

    database = Database(app_url, pool_size=1, wait_s=0.2)
    stuck = database._pool

    def strike(*_, **__):
        raise DeadlineError

    stuck.getconn = strike
    with pytest.raises(DeadlineError), database.system_transaction():
        pass
    with database.system_transaction() as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    assert database._pool is not stuck
    database.close()


def test_new_months_store_long_words_like_the_table_they_belong_to(owner):
    owner.execute("SELECT ensure_month_partitions('2031-01-01', 1)")
    rows = owner.execute(
        """
        SELECT DISTINCT a.attstorage
        FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
        WHERE (c.relname LIKE 'message_2%' AND a.attname = 'text') OR (c.relname LIKE 'message_raw_2%' AND a.attname = 'item')
        """
    ).fetchall()
    assert rows == [("e",)]


_ADD_CUSTOMER = """
    WITH acting AS (SELECT set_config('earshot.tenant', %s::text, true)::bigint AS tenant_id)
    INSERT INTO customer (tenant_id, display_name) SELECT coalesce(%s, tenant_id), 'theirs' FROM acting RETURNING display_name
"""


def test_a_statement_alone_is_committed_and_leaves_no_tenant_behind(database, owner, tenant_ids):
    assert database.fetch_alone(_ADD_CUSTOMER, (tenant_ids["acme"], None)) == [("theirs",)]
    assert owner.execute("SELECT tenant_id FROM customer").fetchall() == [(tenant_ids["acme"],)]
    assert database.fetch_alone("SELECT display_name FROM customer", ()) == []


def test_a_statement_alone_writes_rows_of_the_tenant_it_has_set_and_of_no_other(database, owner, tenant_ids):
    for acting in (str(tenant_ids["acme"]), ""):
        with pytest.raises(StoreError):
            database.fetch_alone(_ADD_CUSTOMER, (acting, tenant_ids["other"]))
    assert owner.execute("SELECT count(*) FROM customer").fetchone() == (0,)


def test_a_statement_alone_finds_a_connection_that_lives(app_url, owner):
    database = Database(app_url, pool_size=2)
    assert database.fetch_alone("SELECT 1", ()) == [(1,)]
    owner.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'earshot'")
    assert database.fetch_alone("SELECT 2", ()) == [(2,)]
    database.close()


@pytest.mark.parametrize(("one_plan", "mode"), [(False, "auto"), (True, "force_generic_plan")])
def test_statements_are_planned_once_where_that_is_asked_for(app_url, one_plan, mode):
    database = Database(app_url, pool_size=1, one_plan=one_plan)
    assert database.fetch_alone("SHOW plan_cache_mode", ()) == [(mode,)]
    assert database.fetch_alone("SHOW synchronous_commit", ()) == [("on",)]
    database.close()


def test_what_every_message_takes_is_planned_once_and_never_reads_a_whole_table(database, tenant_ids):
    """A connection's plans are made when a new installation has ten customers, and kept when it has a hundred thousand."""

    def settings(conn):
        return conn.execute("SELECT current_setting('plan_cache_mode'), current_setting('enable_seqscan')").fetchone()

    with database.stage_transaction(tenant_ids["acme"]) as conn:
        assert settings(conn) == ("force_generic_plan", "off")
    with database.joint_transaction(tenant_ids["acme"]) as conn:
        assert settings(conn) == ("force_generic_plan", "off")
    with database.tenant_transaction(tenant_ids["acme"]) as conn:
        assert settings(conn) == ("auto", "on")
