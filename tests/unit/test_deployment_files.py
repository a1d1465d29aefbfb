"""No container engine runs here, so the files that one would read are checked against their schemas and against each other."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from worker.app import app
from worker.roles import ROLES, worker_arguments

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if line)


def run(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_compose_file_fits_the_compose_specification():
    done = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")
    assert done.returncode == 0, done.stdout


def test_the_procfile_is_valid():
    assert run(BIN / "honcho", "check").returncode == 0


def test_the_dockerfile_passes_its_linter():
    done = run(BIN / "hadolint", "Dockerfile")
    assert done.returncode == 0, done.stdout


def test_every_service_that_others_wait_for_exists():
    for name, service in COMPOSE["services"].items():
        for other in service.get("depends_on", {}):
            assert other in COMPOSE["services"], (name, other)


def test_every_variable_of_the_compose_file_is_explained_in_the_example():
    wanted = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    explained = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert wanted <= explained


def test_every_named_volume_is_declared():
    used = {volume.split(":")[0] for service in COMPOSE["services"].values() for volume in service.get("volumes", [])}
    assert {volume for volume in used if not volume.startswith("./")} == set(COMPOSE["volumes"])


def test_every_file_of_ours_that_a_container_reads_is_there():
    used = {volume.split(":")[0] for service in COMPOSE["services"].values() for volume in service.get("volumes", [])}
    paths = {volume for volume in used if volume.startswith("./")}
    assert len(paths) == 3 and all((ROOT / path).is_dir() for path in paths)


def _option(words, name):
    return words[words.index(name) + 1]


@pytest.mark.parametrize("role", ROLES)
def test_procfile_compose_and_code_start_the_same_workers(role):
    procfile = shlex.split(PROCFILE[f"worker_{role}"])
    compose = COMPOSE["services"][f"worker_{role}"]["command"]
    ours = worker_arguments(role)
    for name in ("--queues", "--concurrency", "--pool"):
        assert _option(procfile, name) == _option(compose, name) == _option(ours, name)


def test_every_queue_is_served_by_exactly_one_role():
    served = [queue for spec in ROLES.values() for queue in spec.queues]
    assert len(served) == len(set(served))
    assert {queue.name for queue in app.conf.task_queues} == set(served)


def test_procfile_and_compose_name_the_same_processes():
    by_itself = {name for name, service in COMPOSE["services"].items() if "profiles" not in service}
    assert set(PROCFILE) | {"postgres", "redis", "migrate"} == by_itself
    assert set(COMPOSE["services"]) - by_itself == {"prometheus", "grafana"}


def test_containers_keep_nothing_and_may_nothing():
    for name, service in COMPOSE["services"].items():
        if name in {"postgres", "redis"}:
            continue
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_flower_listens_on_the_host_only_and_needs_a_password():
    flower = COMPOSE["services"]["flower"]
    assert flower["ports"][0].startswith("127.0.0.1:")
    assert "FLOWER_BASIC_AUTH" in flower["environment"]


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_figures_are_shown_on_the_host_only_and_to_whoever_knows_a_secret(name):
    service = COMPOSE["services"][name]
    assert service["profiles"] == ["observability"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "exit 1" in service["entrypoint"][-1]


def test_lock_files_name_no_index_and_hash_everything():
    for name in ("requirements.lock", "requirements-extras.lock", "requirements-test.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text, name
        assert "--index" not in text and "--find-links" not in text
        for line in text.splitlines():
            if re.match(r"^[a-z0-9]", line):
                assert line.endswith("\\"), (name, line)
