"""What `earshot doctor` sees around the database: Redis, the broker, the workers, this machine's disk, and the environment."""

import difflib
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import redis

from config.environment import SECRET_FILE_SUFFIX, environment_value
from config.server_addresses import kind_of
from config.settings import Settings
from store.health import Finding
from worker.shared_redis import look_at_redis

FREE_SHARE, FREE_BYTES = 0.10, 2 * 2**30
MEMORY_SHARE = 0.80
CLOCK_SKEW_S = 2.0
# Read by something else than Settings: the compose file, the supervisor, Celery's start.
ALSO_KNOWN = frozenset({
    "EARSHOT_IMAGE", "EARSHOT_ADMIN_PASSWORD", "EARSHOT_FUSE", "EARSHOT_EQUAL_SHARES", "EARSHOT_FORK_SERVER", "EARSHOT_READY_FILE", "APP_DATABASE_PASSWORD", "POSTGRES_PASSWORD",
    "OWNER_DATABASE_URL", "FLOWER_BASIC_AUTH", "FLOWER_URL", "REDIS_IMAGE", "RECEIVER_PORT", "CONSOLE_PORT", "FLOWER_PORT",
})  # fmt: skip


def list_redis_findings(redis_url: str) -> list[Finding]:
    """Of Redis or Valkey, which holds what processes share and, unless BROKER_URL says otherwise, the queues."""
    if kind_of(redis_url) not in {"redis", "sentinel"}:
        return []
    try:
        with look_at_redis(redis_url, timeout_s=3) as client:
            return _look_at_redis(client)
    except redis.RedisError as error:
        problem = f"it does not answer ({type(error).__name__}): messages are stored and wait"
        return [Finding("redis", problem, "Start it, and check REDIS_URL.")]


def list_broker_findings(broker_url: str) -> list[Finding]:
    """Of a broker that is not the Redis of list_redis_findings."""
    from worker.broker_check import problem_of_broker

    problem = problem_of_broker(broker_url)
    return [Finding("broker", *problem)] if problem else []


def _look_at_redis(client: redis.Redis) -> list[Finding]:
    findings: list[Finding] = []
    seconds, microseconds = client.time()
    memory = client.info("memory")
    policy, most, used = memory.get("maxmemory_policy"), int(memory.get("maxmemory", 0)), int(memory["used_memory"])
    if policy is None:
        problem = "it does not say whether it throws keys away when its memory is full (maxmemory-policy)"
        findings.append(
            Finding("redis", problem, "See to it that the policy is noeviction, in its provider's console.")
        )
    elif policy != "noeviction":
        problem = f"it may throw queued tasks away (maxmemory-policy {policy})"
        fix = "`redis-cli CONFIG SET maxmemory-policy noeviction`, and the same in its configuration."
        findings.append(Finding("redis", problem, fix))
    if most and used > most * MEMORY_SHARE:
        problem = f"it uses {used / 2**20:.0f} of {most / 2**20:.0f} MiB"
        findings.append(Finding("redis", problem, "Raise maxmemory; see `earshot doctor` for what waits."))
    skew_s = time.time() - (int(seconds) + int(microseconds) / 1e6)
    if abs(skew_s) > CLOCK_SKEW_S:
        problem = f"this machine's clock and Redis's differ by {abs(skew_s):.0f} s"
        findings.append(Finding("clock", problem, "Run a time service on both (`timedatectl set-ntp true`)."))
    if client.exists("earshot:last-tick") == 0:
        problem = (
            "nothing that beat rings for has been done for a minute: figures, test messages and counts stand still"
        )
        fix = "Start beat (`celery --app worker.app beat`), one is enough, and a worker of the role `delivery`."
        findings.append(Finding("beat", problem, fix))
    return findings


def list_worker_findings(broker_url: str) -> list[Finding]:
    """Roles that nobody serves."""
    from worker.roll_call import list_unserved_roles

    try:
        unserved = list_unserved_roles(broker_url)
    except ConnectionError:  # said above
        return []
    return [
        Finding(
            "workers",
            f"no worker of the role {role} answers: nobody empties {', '.join(queues)}",
            f"Start one: the line `worker_{role}` of the Procfile.",
        )
        for role, queues in unserved.items()
    ]


def list_disk_findings(folders: Iterable[Path]) -> list[Finding]:
    """Disks of this machine that are nearly full."""
    findings: dict[int, Finding] = {}
    for folder in folders:
        if not folder.exists():
            continue
        usage = shutil.disk_usage(folder)
        if usage.free < min(usage.total * FREE_SHARE, FREE_BYTES):
            problem = f"{usage.free / 2**30:.1f} of {usage.total / 2**30:.0f} GiB are free where {folder} lies"
            fix = "Make room or a larger disk: a full one answers webhooks with 503."
            findings[folder.stat().st_dev] = Finding("disk", problem, fix)
    return list(findings.values())


def list_environment_findings(environ: Mapping[str, str]) -> list[Finding]:
    """Variables that look like settings of ours and are none."""
    known = {name.upper() for name in Settings.model_fields} | ALSO_KNOWN
    findings: list[Finding] = []
    for name in sorted(environ):
        plain = name.removesuffix(SECRET_FILE_SUFFIX)
        if plain in known:
            continue
        near = difflib.get_close_matches(plain, known, n=1, cutoff=0.88)
        if near or plain.startswith("EARSHOT_"):
            fix = (
                f"Did you mean {near[0]}?"
                if near
                else "Take it out, or correct its name (docs and .env.example list all)."
            )
            findings.append(Finding("settings", f"the environment holds {name}, which is no setting", fix))
    return findings


def find_broker_url(stack: Mapping[str, object], environ: Mapping[str, str]) -> str | None:
    """The running stack's, else the environment's; None where the queues are in what find_redis_url names."""
    url = stack.get("broker_url") if stack else environment_value(environ, "BROKER_URL")
    return str(url) if url and url != find_redis_url(stack, environ) else None


def find_redis_url(stack: Mapping[str, object], environ: Mapping[str, str]) -> str | None:
    """The running stack's Redis, else the environment's; None where neither names one."""
    url = stack.get("redis_url") or environment_value(environ, "REDIS_URL")
    return str(url) if url else None
