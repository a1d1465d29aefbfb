"""What Postgres itself says of tenants: nobody reads another's rows, whatever the code above it forgets."""

import psycopg
import pytest

# Tables that belong to no single tenant, and why that is right.
WITHOUT_TENANT = {
    "schema_migration": "which migrations were applied",
    "installation_secret": "the installation's own keys, sealed",
    "app_user": "a person may belong to several tenants; membership says to which",
    "prompt_registry": "prompts, the same for all tenants, without customers' words",
    "unparsed_body": "signed bodies that could not be read: whose they are is unknown",
    "tenant": "the tenants themselves; each sees its own row",
}
# The most that may read them without naming a tenant. Where this says `system`, the code says so on purpose (SET earshot.scope).
OPEN_TO_ALL = {"prompt_registry"}
# Tables with customers' words, names or numbers: not even the system scope opens them.
CUSTOMER_TEXT = {
    "message", "message_raw", "message_analysis", "customer", "customer_identity", "egress", "correction",
    "routing_decision", "message_key", "analysis_key",
}  # fmt: skip
# Functions that run with their owner's rights, and what keeps each from being a door.
DEFINERS = {
    "ensure_month_partitions": "makes partitions of three named tables, and reads nothing",
    "drop_past_months": "drops months of three named tables that are over for a week and past for every tenant, and reads nothing",
    **dict.fromkeys(
        ("note_live_work", "note_live_change", "note_live_reading"),
        "triggers: write ids of the row at hand into live_change, which processes can't write themselves",
    ),
    **dict.fromkeys(
        ("note_webhook_event", "note_message_webhook", "note_alert_webhook", "note_conversation_webhook"),
        "triggers and what they call: write ids of the row at hand for the subscriptions of its own tenant",
    ),
}


def tables(owner):
    return owner.execute(
        """
        SELECT c.relname, c.oid, c.relispartition, c.relrowsecurity, c.relforcerowsecurity,
               EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
        FROM pg_class AS c
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
        """
    ).fetchall()


def policies(owner):
    """{table: [(policy, who, command, using, check)]}."""
    found = {}
    for table, *rule in owner.execute(
        "SELECT tablename, policyname, roles::text[], cmd, qual, with_check FROM pg_policies WHERE schemaname = 'public'"
    ).fetchall():
        found.setdefault(table, []).append(rule)
    return found


def test_every_table_has_a_tenant_or_a_reason_to_have_none(owner):
    found = tables(owner)
    assert len(found) > 60
    assert {name for name, *_, has_tenant in found if not has_tenant} == set(WITHOUT_TENANT)


def test_row_level_security_is_on_and_forced_everywhere(owner):
    naked = [name for name, _, _, on, forced, _ in tables(owner) if not (on and forced)]
    assert naked == ["schema_migration"]
    privileges = owner.execute(
        "SELECT has_table_privilege('earshot_process', 'schema_migration', 'SELECT, INSERT, UPDATE, DELETE')"
    ).fetchone()
    assert privileges == (False,)


def test_every_policy_of_processes_asks_for_the_tenant_or_the_system_scope(owner):
    rules = policies(owner)
    for name, _, is_partition, _, _, has_tenant in tables(owner):
        of_processes = [rule for rule in rules.get(name, []) if "earshot_process" in rule[1] or "public" in rule[1]]
        if is_partition:  # only reached through its parent, which has the policies
            assert not of_processes, name
            continue
        if has_tenant:
            # A queue of work for all tenants may open to the system scope alone; everything else has rows by tenant.
            assert of_processes, name
        for policy, _, command, using, check in of_processes:
            for condition in filter(None, (using, check)):
                bound = "app_tenant()" in condition or "in_system_scope()" in condition
                assert bound or name in OPEN_TO_ALL, (name, policy, condition)
            # A policy without a check for writes goes by what it lets be read.
            assert using or check, (name, policy, command)


def test_customers_words_are_never_open_to_the_system_scope(owner):
    rules = policies(owner)
    for name in CUSTOMER_TEXT:
        for policy, _, _, using, check in rules[name]:
            assert "in_system_scope" not in f"{using}{check}", (name, policy)


def test_processes_reach_no_partition_but_through_its_parent(owner):
    rows = owner.execute(
        """
        SELECT c.relname
        FROM pg_class AS c
        WHERE c.relispartition AND c.relkind = 'r' AND has_table_privilege('earshot_process', c.oid, 'SELECT, INSERT, UPDATE, DELETE')
        """
    ).fetchall()
    assert rows == []


def test_the_role_of_processes_has_no_way_around(owner, app_url):
    with psycopg.connect(app_url) as conn:
        (name,) = conn.execute("SELECT current_user").fetchone()
    for role in (name, "earshot_process"):
        powers = owner.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles WHERE rolname = %s",
            (role,),
        ).fetchone()
        assert powers == (False,) * 5, role
        for catalogue, column in (("pg_class", "relowner"), ("pg_proc", "proowner"), ("pg_namespace", "nspowner")):
            owned = owner.execute(
                f"SELECT count(*) FROM {catalogue} WHERE {column} = (SELECT oid FROM pg_roles WHERE rolname = %s)",
                (role,),
            ).fetchone()
            assert owned == (0,), (role, catalogue)
    memberships = owner.execute(
        "SELECT g.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member JOIN pg_roles g ON g.oid = m.roleid "
        "WHERE r.rolname IN (%s, 'earshot_process')",
        (name,),
    ).fetchall()
    assert memberships == [("earshot_process",)]
    assert owner.execute("SELECT has_schema_privilege(%s, 'public', 'CREATE')", (name,)).fetchone() == (False,)


def test_functions_with_their_owners_rights_are_known_and_keep_to_a_search_path(owner):
    rows = owner.execute(
        """
        SELECT p.proname, coalesce(p.proconfig::text, ''),
               p.prorettype <> 'trigger'::regtype AND has_function_privilege('public', p.oid, 'EXECUTE')
        FROM pg_proc AS p
        WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace
        """
    ).fetchall()
    assert {name for name, _, _ in rows} == set(DEFINERS)
    for name, config, is_public in rows:
        assert "search_path" in config, name
        assert not is_public, name


@pytest.mark.parametrize("table", sorted({"hour_account", "canary"}))
def test_figures_about_a_tenant_are_its_own(database, owner, tenant_ids, table):
    acme, other = tenant_ids["acme"], tenant_ids["other"]
    if table == "canary":
        owner.execute(
            "INSERT INTO canary (tenant_id, channel, account_id, via, asks_model) VALUES (%s, 'whatsapp', '1', 'inbox', false)",
            (acme,),
        )
    else:
        owner.execute("INSERT INTO hour_account SELECT %s, now(), 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0", (acme,))
    for tenant_id, seen in ((acme, 1), (other, 0)):
        with database.tenant_transaction(tenant_id) as conn:
            assert conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (seen,)
