"""Secrets move from an old key to a new one while everything runs, and open nowhere but in their own place."""

import json
from base64 import b64encode

import pytest

from cli.main import main
from config.webhook_subscriptions import read_subscription
from store.intake import get_dedupe_pepper
from store.key_rotation import SEALED, count_by_key, reseal_batch
from store.secrets import Keyring, SecretError
from store.webhook_subscriptions import add_subscription
from tests.conftest import TEST_KEY

NEW_KEY = "k2:" + b64encode(bytes(range(32))).decode()


@pytest.fixture
def both():
    return Keyring.parse(f"{NEW_KEY},{TEST_KEY}")


@pytest.fixture
def sealed_everywhere(owner, database, keyring, tenant_ids):
    """A secret in every sealed column of the tenant acme."""
    acme = tenant_ids["acme"]
    place = {"tenant_id": acme, "table": "crm_connection"}
    owner.execute(
        "UPDATE crm_connection SET access_token = %s WHERE tenant_id = %s",
        (keyring.encrypt(b"{}", column="access_token", **place), acme),
    )
    owner.execute(
        "INSERT INTO action_secret (tenant_id, kind, secret) VALUES (%s, 'webhook', %s)",
        (acme, keyring.encrypt(b"hush", tenant_id=acme, table="action_secret", column="webhook")),
    )
    owner.execute(
        "INSERT INTO alert_target (tenant_id, name, service, url, config) VALUES (%s, 'desk', 'slack', %s, '{}')",
        (acme, keyring.encrypt(b"slack://x", tenant_id=acme, table="alert_target", column="url")),
    )
    wanted = read_subscription(
        url="https://hooks.example.com/in",
        kinds=["alert.over"],
        description="",
        include_text=False,
        allow_private=False,
    )
    with database.tenant_transaction(acme) as conn:
        add_subscription(conn, acme, wanted, keyring=keyring, by=None)
    owner.execute("UPDATE webhook_subscription SET old_secret = secret")


def opened(owner, keyring):
    """Every secret in clear, by its place."""
    found = {}
    for one in SEALED:
        rows = owner.execute(
            f"SELECT {one.key}, {one.tenant}, {one.bound_to}, {one.column} FROM {one.table} WHERE length({one.column}) > 2"
        ).fetchall()
        assert rows, (one.table, one.column)
        for key, tenant_id, bound_to, ciphertext in rows:
            plain = keyring.decrypt(ciphertext, tenant_id=tenant_id, table=one.table, column=bound_to)
            found[one.table, one.column, str(key)] = plain
    return found


@pytest.fixture
def rotate(owner_database_url, monkeypatch, tmp_path, capsys):
    def rotate(*options, keys=f"{NEW_KEY},{TEST_KEY}"):
        monkeypatch.setenv("DATABASE_URL", owner_database_url)
        monkeypatch.setenv("EARSHOT_KEYS", keys)
        with pytest.raises(SystemExit) as ended:
            main(["rotate-keys", "--data", str(tmp_path), *options])
        told = capsys.readouterr()
        return ended.value.code, told.out + told.err

    return rotate


def test_all_secrets_move_and_say_the_same(sealed_everywhere, owner, keyring, both, rotate):
    before = opened(owner, keyring)
    code, told = rotate("--count", "--json")
    counts = json.loads(told)
    assert code == 1 and counts["by_key"].keys() == {"k1"} and counts["old"] == len(before)
    code, told = rotate("--json")
    assert (code, json.loads(told)) == (
        0,
        {"newest": "k2", "resealed": len(before), "by_key": {"k2": len(before)}, "old": 0},
    )
    assert opened(owner, Keyring.parse(NEW_KEY)) == before  # the old key is not needed any more
    code, told = rotate("--json")
    assert json.loads(told)["resealed"] == 0
    assert owner.execute("SELECT deed FROM audit_log WHERE deed = 'keys_rotated'").fetchall() == [("keys_rotated",)]


def test_it_goes_on_where_it_was_stopped_and_both_keys_open_meanwhile(
    sealed_everywhere, owner, database, keyring, both, monkeypatch
):
    monkeypatch.setattr("store.key_rotation.BATCH", 1)
    before = opened(owner, keyring)
    (tokens,) = [one for one in SEALED if (one.table, one.column) == ("channel_account", "access_token")]
    with database.system_transaction() as conn:
        assert reseal_batch(conn, tokens, keyring=both) == 1
    with database.system_transaction() as conn:
        assert count_by_key(conn)["k2"] == 1
        assert get_dedupe_pepper(conn, keyring=both)
    assert opened(owner, both) == before
    while True:
        with database.system_transaction() as conn:
            if not reseal_batch(conn, tokens, keyring=both):
                break
    assert opened(owner, both) == before


def test_a_key_that_is_gone_is_named_with_its_place_and_without_content(sealed_everywhere, rotate):
    code, told = rotate(keys=NEW_KEY)
    assert code == 1 and "'k1'" in told and "installation_secret" in told
    assert "acme-token" not in told


@pytest.mark.parametrize("one", SEALED, ids=lambda one: f"{one.table}.{one.column}")
def test_a_secret_that_is_moved_to_another_place_does_not_open(one, sealed_everywhere, owner, keyring):
    row = owner.execute(
        f"SELECT {one.tenant}, {one.bound_to}, {one.column} FROM {one.table} WHERE length({one.column}) > 2 LIMIT 1"
    ).fetchone()
    tenant_id, bound_to, ciphertext = row
    right = {"tenant_id": tenant_id, "table": one.table, "column": bound_to}
    assert keyring.decrypt(ciphertext, **right)
    for wrong in ({"tenant_id": tenant_id + 1}, {"table": "another"}, {"column": "another"}):
        with pytest.raises(SecretError, match="does not belong here"):
            keyring.decrypt(ciphertext, **{**right, **wrong})


def test_a_new_key_is_put_first_and_the_old_one_dropped_when_nothing_needs_it(
    owner_database_url, owner, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("DATABASE_URL", owner_database_url)
    monkeypatch.delenv("EARSHOT_KEYS", raising=False)
    (tmp_path / "secrets").mkdir()
    file = tmp_path / "secrets" / "EARSHOT_KEYS"
    file.write_text(TEST_KEY + "\n")

    def run(*options):
        with pytest.raises(SystemExit) as ended:
            main(["rotate-keys", "--data", str(tmp_path), *options])
        return ended.value.code, capsys.readouterr().err

    assert run("--new-key") == (0, "")
    assert [key_id for key_id, _ in Keyring.parse(file.read_text()).keys] == ["k2", "k1"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert run("--new-key")[0] == 1  # two live keys at most
    code, told = run("--drop-old")
    assert code == 1 and "rotate-keys first" in told
    assert run()[0] == 0
    assert run("--drop-old")[0] == 0
    assert [key_id for key_id, _ in Keyring.parse(file.read_text()).keys] == ["k2"]
