"""What an object says of itself may stand in a log, a traceback or a debugger's window: settings and accounts name no secret."""

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from config.settings import Settings, load_settings
from config.tenant_file import parse_tenant_file
from devstack.secrets import Secret
from store.secrets import Keyring
from tests.conftest import TEST_KEY
from tests.leaks.canaries import found, person, secrets
from tests.leaks.misfortunes import tenant_file

SECRETS = secrets(1)
OURS = SECRETS["provider key"]


def settings() -> Settings:
    taken = {
        name.upper(): OURS for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
    }
    servers = {
        "DATABASE_URL": f"postgresql://u:{OURS}@h/d",
        "REDIS_URL": f"redis://:{OURS}@h",
        "BROKER_URL": f"amqp://u:{OURS}@h",
    }
    return load_settings({**taken, **servers, "OIDC_ISSUER": "https://id.example", "OIDC_CLIENT_ID": "earshot"})


def tenant() -> Any:
    alerts = f"jsons://hooks.example/?+X-Key={SECRETS['alert password']}"
    return parse_tenant_file(tenant_file(SECRETS, alerts=alerts), source="acme.toml", environ={})


THINGS = {
    "settings": settings, "tenant file": tenant, "keyring": lambda: Keyring.parse(TEST_KEY), "generated secret": lambda: Secret("X", OURS, None),
}  # fmt: skip


def said_by(thing: Any) -> Iterator[str]:
    yield from (repr(thing), str(thing), f"{thing}", repr(copy.copy(thing)))
    if hasattr(thing, "model_dump_json"):
        yield thing.model_dump_json()
        yield repr(thing.model_dump())


@pytest.mark.parametrize("name", THINGS)
def test_what_holds_secrets_does_not_say_them(name):
    thing = THINGS[name]()
    held = found(pickle.dumps(thing), SECRETS.canaries) or (TEST_KEY.encode() and name == "keyring")
    assert held, "the search must find what the object does hold"
    said = "\n".join(said_by(thing))
    assert found(said, SECRETS.canaries) == {}
    assert TEST_KEY.partition(":")[2].rstrip("=") not in said


def test_every_setting_that_names_a_secret_is_one():
    names = [
        name
        for name in Settings.model_fields
        if name.endswith(("_key", "_keys", "_secret", "_token", "_password"))
        or name in {"database_url", "redis_url", "broker_url"}
    ]
    assert len(names) >= 7
    assert [name for name in names if SecretStr.__name__ not in str(Settings.model_fields[name].annotation)] == []


@pytest.mark.parametrize("writing", [canary.kind for canary in person(1).canaries])
def test_a_search_knows_one_person_from_another(writing):
    text = f"x{person(1)[writing]}x"
    assert set(found(text, person(1).canaries)) >= {writing}
    assert found(text, person(2).canaries) == {}
