"""Flower as somebody sees it who has its password: the page and the record of every task, of workers and the broker."""

import re
from collections import defaultdict

import httpx2

# Tasks of messages, and a few of what comes by the clock.
STAGES = {
    f"earshot.{stage}"
    for stage in ("minimize", "analyze", "persist", "route", "crm_sync", "deliver_action", "flush_crm")
}
MAX_PAGES_OF_A_STAGE, MAX_PAGES_OF_OTHERS = 12, 1


def _chosen(tasks: dict[str, dict]) -> list[str]:
    """Ids of the newest of each kind."""
    of_kind: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, task in sorted(tasks.items(), key=lambda one: -(one[1].get("received") or 0)):
        of_kind[task.get("name") or "", task.get("state") or ""].append(name)
    return [
        name
        for (kind, _), names in of_kind.items()
        for name in names[: MAX_PAGES_OF_A_STAGE if kind in STAGES else MAX_PAGES_OF_OTHERS]
    ]


def flower_pages(url: str, *, password: str) -> bytes:
    """password: `user:password`. The list has all tasks; pages are read of the newest of each kind."""
    auth = tuple(password.split(":", 1))
    with httpx2.Client(base_url=url, auth=auth, timeout=20) as client:
        listed = client.get("/api/tasks", params={"limit": 10_000})
        newest = _chosen(listed.json())
        paths = [
            "/",
            "/workers",
            "/broker",
            "/tasks",
            "/api/workers",
            "/api/queues/length",
            "/api/task/types",
            "/metrics",
        ]
        paths += [path for name in newest for path in (f"/task/{name}", f"/api/task/info/{name}")]
        workers = re.findall(r"/worker/([^\"'<> ]+)", client.get("/workers").text)
        paths += [f"/worker/{worker}" for worker in sorted(set(workers))]
        pages = [listed.content, *(client.get(path).content for path in paths)]
    return b"\n".join(pages)
