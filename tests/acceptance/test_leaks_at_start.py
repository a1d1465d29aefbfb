"""A process that cannot start says which setting is wrong, and never what it holds: its last words stand in logs and on screens."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT, TEST_KEY
from tests.leaks.canaries import Canary, found

# In one piece and in the pieces that a driver makes of it.
PASSWORD = "kanar%s9f27c1"
PIECES = (Canary("its beginning", "kanar"), Canary("its end", "9f27c1"))
RECEIVER = ("-c", "from webhook_receiver.app import create_app as c; c().test_client().get('/readyz')")
CONSOLE = ("-c", "from console.app import create_app as c; c()")
WORKER = (
    "-m",
    "celery",
    "--app",
    "worker.app",
    "worker",
    "--pool",
    "threads",
    "--concurrency",
    "1",
    "--queues",
    "persist",
)
BEAT = ("-m", "celery", "--app", "worker.app", "beat", "--schedule", "/nonexistent/schedule", "--pidfile=")
FLOWER = ("-m", "celery", "--app", "worker.app", "flower", "--port=0")
UP, MIGRATE, DEAD = (("-m", "cli.main", *words) for words in (("up",), ("migrate",), ("dead", "list")))
GOOD = {
    "DATABASE_URL": "postgresql://u:p@127.0.0.1:1/earshot", "REDIS_URL": "redis://:p@127.0.0.1:1/0", "EARSHOT_KEYS": TEST_KEY,
    "SECRET_KEY": "s" * 40, "APP_DATABASE_PASSWORD": "p", "FLOWER_BASIC_AUTH": "ops:p",
}  # fmt: skip
GIVE_UP_S = 15


def last_words(arguments, tmp_path, **environ):
    """Both outputs of a process that has a wrong setting. One that goes on all the same is stopped."""
    folder = ("--data", str(tmp_path / "data")) if "cli.main" in arguments and "migrate" not in arguments else ()
    process = subprocess.Popen(
        [sys.executable, *arguments, *folder], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **GOOD, **environ},
    )  # fmt: skip
    try:
        return process.communicate(timeout=GIVE_UP_S)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def starts(name, value, *processes, is_quick=()):
    return [
        pytest.param(name, value, one, id=f"{name} {value % ''} {one[-1].split()[-1]}", marks=[] if one in is_quick else [pytest.mark.slow])
        for one in processes
    ]  # fmt: skip


CASES = [
    *starts("REDIS_URL", "redis://:kanar%s/9f27c1@127.0.0.1:1/0", WORKER, BEAT, FLOWER, RECEIVER, CONSOLE, UP, is_quick=(WORKER,)),
    *starts("REDIS_URL", "kanar%s9f27c1", WORKER, FLOWER, CONSOLE, UP),
    *starts("DATABASE_URL", "postgresql://u:kanar%s@9f27c1@127.0.0.1/d", RECEIVER, MIGRATE, DEAD, UP, is_quick=(RECEIVER,)),
    *starts("DATABASE_URL", "host=127.0.0.1 passwort=kanar%s9f27c1", RECEIVER, MIGRATE, DEAD, UP),
    *starts("EARSHOT_KEYS", "k1:kanar%s9f27c1", RECEIVER, MIGRATE, DEAD, CONSOLE),
    *starts("LOG_LEVEL", "kanar%s9f27c1", RECEIVER, CONSOLE),
    *starts("METRICS_TOKEN", "kanar%s9f27c", RECEIVER, CONSOLE),
    *starts("GRAPH_API_URL", "https://u:kanar%s9f27c1@graph.example/v1", RECEIVER, CONSOLE),
]  # fmt: skip


def test_a_password_in_last_words_would_be_found(tmp_path):
    words = last_words(
        ("-c", "import os; raise ValueError(os.environ['REDIS_URL'])"), tmp_path, REDIS_URL="redis://:kanar9f27c1@h"
    )
    assert set(found(words, PIECES)) == {"its beginning", "its end"}


@pytest.mark.parametrize(("name", "value", "process"), CASES)
def test_the_last_words_of_a_process_name_a_setting_and_quote_none(name, value, process, tmp_path):
    words = last_words(process, tmp_path, **{name: value % ""})
    assert found(words, PIECES) == {}, words
    assert name in words
