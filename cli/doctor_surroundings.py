"""What `earshot doctor` sees around the database: the broker, the workers, this machine's disk, and the environment."""

import difflib
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import redis

from config.settings import SECRET_FILE_SUFFIX, Settings, environment_value
from store.health import Finding

FREE_SHARE, FREE_BYTES = 0.10, 2 * 2**30
MEMORY_SHARE = 0.80
CLOCK_SKEW_S = 2.0
# Read by something else than Settings: the compose file, the supervisor, Celery's start.
ALSO_KNOWN = frozenset({
    "EARSHOT_IMAGE", "EARSHOT_ADMIN_PASSWORD", "EARSHOT_FUSE", "EARSHOT_READY_FILE", "APP_DATABASE_PASSWORD", "POSTGRES_PASSWORD",
    "OWNER_DATABASE_URL", "FLOWER_BASIC_AUTH", "FLOWER_URL", "REDIS_IMAGE", "RECEIVER_PORT", "CONSOLE_PORT", "FLOWER_PORT",
})  # fmt: skip


def list_redis_findings(redis_url: str) -> list[Finding]:
    """Of a broker that is Redis or Valkey; another kind is not looked into."""
    if not redis_url.startswith(("redis://", "rediss://", "unix://")):
        return []
    client = redis.Redis.from_url(redis_url, socket_timeout=3, socket_connect_timeout=3, decode_responses=True)
    try:
        return _look_at_redis(client)
    except redis.RedisError as error:
        problem = f"it does not answer ({type(error).__name__}): messages are stored and wait"
        return [Finding("redis", problem, "Start it, and check REDIS_URL.")]
    finally:
        client.close()


def _look_at_redis(client: redis.Redis) -> list[Finding]:
    findings: list[Finding] = []
    seconds, microseconds = client.time()
    memory = client.info("memory")
    policy, most, used = memory.get("maxmemory_policy"), int(memory.get("maxmemory", 0)), int(memory["used_memory"])
    if policy not in {"noeviction", None}:
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
            "nothing has been reconciled for a minute: what was lost is not rung again, clocks and alerts stand still"
        )
        fix = "Start beat (`celery --app worker.app beat`), one is enough, and a worker of the role `delivery`."
        findings.append(Finding("beat", problem, fix))
    return findings


def list_worker_findings(redis_url: str) -> list[Finding]:
    """Roles that nobody serves."""
    from worker.roll_call import list_unserved_roles

    try:
        unserved = list_unserved_roles(redis_url)
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


def find_redis_url(stack: Mapping[str, object], environ: Mapping[str, str]) -> str | None:
    """The running stack's broker, else the environment's; None where neither names one."""
    url = stack.get("redis_url") or environment_value(environ, "REDIS_URL")
    return str(url) if url else None
