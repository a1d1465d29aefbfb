"""The product's own processes, as this machine runs them: receiver, console, workers, beat, Flower."""

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from devstack.child import ChildSpec
from devstack.health import http_answers
from devstack.shared_modules import GREENLETS, THREADS
from worker.roles import ROLES, worker_arguments

PYTHON = (sys.executable,)
GUNICORN = (*PYTHON, "-m", "gunicorn")
CELERY = (*PYTHON, "-m", "celery")
# On one machine, acknowledging a webhook comes before working on the last one, and both before watching it. Not far behind Postgres: what
# counts over many rows there would leave nothing of the processor to messages for seconds.
RECEIVER_NICENESS, WORKER_NICENESS, FLOWER_NICENESS = -10, 5, 15
APPLICATION = ("--app", "worker.app")
WORKER_GRACE_S = 20.0
# Where the receiver's processes put their counts together; in the run folder, kept over restarts of the receiver.
RECEIVER_METRICS = "receiver-metrics"
# Stopped in this order: no new work, then work at hand, then what it talks to, then what holds the truth.
STOP_ENTRANCES, STOP_WORKERS, STOP_STANDINS, STOP_SERVERS = range(4)


@dataclass(frozen=True)
class ServicePlan:
    """What the processes need to know. environ: what all share; worker_ports: metrics port by worker's name; per_role: processes of each role and
    of the receiver; shares_equally: none of them goes before another, for a machine where other work would leave the workers too little.
    """

    environ: Mapping[str, str]
    console_environ: Mapping[str, str]
    flower_environ: Mapping[str, str]
    receiver_port: int
    console_port: int
    flower_port: int
    worker_ports: Mapping[str, int]
    run: Path
    beat: Path
    per_role: int = 1
    shares_equally: bool = False

    @property
    def receiver_url(self) -> str:
        """Where Meta's webhooks go."""
        return f"http://127.0.0.1:{self.receiver_port}"

    @property
    def console_url(self) -> str:
        """Where people sign in."""
        return f"http://127.0.0.1:{self.console_port}"

    @property
    def flower_url(self) -> str:
        """Where the task queues can be watched."""
        return f"http://127.0.0.1:{self.flower_port}"

    @property
    def metrics_urls(self) -> tuple[str, ...]:
        """Pages for Prometheus."""
        pages = [f"http://127.0.0.1:{port}/metrics" for port in self.worker_ports.values()]
        return (f"{self.receiver_url}/metrics", *pages)


def worker_names(*, per_role: int) -> list[str]:
    """`ROLE-NUMBER` of every worker process."""
    return [f"{role}-{number}" for role in ROLES for number in range(1, per_role + 1)]


def service_children(plan: ServicePlan) -> list[ChildSpec]:
    """All processes of the product; they need a migrated database and the broker."""
    workers = [_worker(plan, name=name, metrics_port=port) for name, port in plan.worker_ports.items()]
    children = [*workers, _beat(plan), _receiver(plan), _console(plan), _flower(plan)]
    return [replace(child, niceness=0) for child in children] if plan.shares_equally else children


def _gunicorn(application: str, *, config: str, port: int, workers: int) -> tuple[str, ...]:
    return (
        *GUNICORN, application, "--config", f"python:{config}",
        "--worker-class", "gevent", "--workers", str(workers), "--worker-connections", "1000",
        "--bind", f"127.0.0.1:{port}", "--no-control-socket",
        "--graceful-timeout", "10", "--timeout", "30", "--access-logfile", "/dev/null",
    )  # fmt: skip


def _receiver(plan: ServicePlan) -> ChildSpec:
    return ChildSpec(
        name="receiver",
        forked_from=GREENLETS,
        group="receiver",
        argv=_gunicorn(
            "webhook_receiver.app:create_app()",
            config="webhook_receiver.preloading",
            port=plan.receiver_port,
            workers=plan.per_role,
        ),
        environ={**plan.environ, "PROMETHEUS_MULTIPROC_DIR": str(plan.run / RECEIVER_METRICS)},
        ready=lambda: http_answers(f"{plan.receiver_url}/readyz"),
        stop_phase=STOP_ENTRANCES,
        stop_grace_s=12.0,
        death_signal=signal.SIGQUIT,  # gunicorn's quick stop: it ends its own workers
        niceness=RECEIVER_NICENESS,
    )


def _console(plan: ServicePlan) -> ChildSpec:
    return ChildSpec(
        name="console",
        forked_from=GREENLETS,
        group="console",
        argv=_gunicorn("console.app:create_app()", config="console.stopping", port=plan.console_port, workers=1),
        environ=plan.console_environ,
        ready=lambda: http_answers(f"{plan.console_url}/healthz"),
        stop_phase=STOP_ENTRANCES,
        stop_grace_s=12.0,
        death_signal=signal.SIGQUIT,
    )


def _worker(plan: ServicePlan, *, name: str, metrics_port: int) -> ChildSpec:
    role, _, number = name.rpartition("-")
    mark = plan.run / f"worker-{name}.ready"
    return ChildSpec(
        name=f"worker-{name}",
        forked_from=THREADS,
        group="worker",
        argv=(*CELERY, *worker_arguments(role, number=int(number)), "--loglevel", "INFO"),
        environ={**plan.environ, "METRICS_PORT": str(metrics_port), "EARSHOT_READY_FILE": str(mark)},
        ready=mark.exists,
        before_start=lambda: mark.unlink(missing_ok=True),
        stop_phase=STOP_WORKERS,
        stop_grace_s=WORKER_GRACE_S,
        niceness=WORKER_NICENESS,
    )


def _beat(plan: ServicePlan) -> ChildSpec:
    return ChildSpec(
        name="beat",
        forked_from=THREADS,
        group="beat",
        argv=(
            *CELERY,
            *APPLICATION,
            "beat",
            "--schedule",
            str(plan.beat / "schedule"),
            "--pidfile=",
            "--loglevel",
            "WARNING",
        ),
        environ=plan.environ,
        ready=lambda: any(plan.beat.iterdir()),
        stop_phase=STOP_ENTRANCES,
        stop_grace_s=5.0,
    )


def _flower(plan: ServicePlan) -> ChildSpec:
    return ChildSpec(
        name="flower",
        forked_from=THREADS,
        group="flower",
        argv=(
            *CELERY, *APPLICATION, "flower",
            "--address=127.0.0.1", f"--port={plan.flower_port}", "--read_only=True", "--max_tasks=10000",
        ),
        environ=plan.flower_environ,
        ready=lambda: http_answers(f"{plan.flower_url}/healthcheck"),
        stop_phase=STOP_ENTRANCES,
        stop_grace_s=5.0,
        niceness=FLOWER_NICENESS,
    )  # fmt: skip
