"""Whole stacks and single processes that tests kill."""

import subprocess
import sys
import time

import pytest

from tests.conftest import ACME, OTHER, ROOT
from tests.running_stack import start_stack, stop_stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    data = tmp_path_factory.mktemp("stack") / "data"
    stack = start_stack(data, LOG_LEVEL="DEBUG")
    for name, text in (("acme", ACME), ("other", OTHER)):
        path = tmp_path_factory.mktemp("tenants") / f"{name}.toml"
        path.write_text(text)
        applied = stack.cli("tenant", "apply", str(path))
        assert applied.returncode == 0, applied.stderr
    time.sleep(3)
    yield stack
    assert stop_stack(stack) == 0


@pytest.fixture
def run(environ, tmp_path):
    """Start a celery process with the module's `environ`; all are gone after the test."""
    running = []

    def begin(*arguments):
        process = subprocess.Popen([sys.executable, "-m", "celery", *arguments], cwd=ROOT, env=environ)
        running.append(process)
        return process

    begin("--app", "worker.app", "beat", "--schedule", str(tmp_path / "beat"), "--pidfile=")
    yield begin
    for process in running:
        process.kill()
        process.wait()
