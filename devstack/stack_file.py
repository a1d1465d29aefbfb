"""stack.json: how other programs find a running stack."""

import json
from pathlib import Path
from typing import Any, TypedDict, TypeGuard

from devstack.private_file import write_private
from devstack.process_mark import start_mark
from devstack.stack_error import StackError

STACK_FILE = "stack.json"
GROUPS = ("supervisor", "receiver", "worker", "beat", "console", "flower", "postgres", "redis", "standins")


class Admin(TypedDict):
    """The first operator."""

    email: str
    password: str


class StackInfo(TypedDict):
    """Where everything of a running stack is: stack.json as it is written.

    database_url: a role that may read all tenants. broker_url: redis_url unless another broker was given. flower_auth: `user:password`. standins: base URL by provider, only
    those that run. pids: the leading process of each child; every group is there, empty when it has no process here.
    """

    receiver_url: str
    console_url: str
    flower_url: str
    metrics_urls: list[str]
    database_url: str
    redis_url: str
    broker_url: str
    flower_auth: str
    admin: Admin
    standins: dict[str, str]
    pids: dict[str, list[int]]


def _is_stack_info(document: Any) -> TypeGuard[StackInfo]:
    if not isinstance(document, dict) or not document.keys() >= StackInfo.__annotations__.keys():
        return False
    pids: Any = document["pids"]
    return isinstance(pids, dict) and all(isinstance(pid, int) for pid in pids.get("supervisor", [None]))


def write_stack_file(data_dir: Path, info: StackInfo) -> None:
    """Write or replace stack.json; mode 0600."""
    write_private(data_dir / STACK_FILE, json.dumps(info, indent=2) + "\n")


def remove_stack_file(data_dir: Path) -> None:
    """Take stack.json away: the stack has stopped."""
    (data_dir / STACK_FILE).unlink(missing_ok=True)


def find_stack(data_dir: Path) -> StackInfo | None:
    """The stack that runs on this folder; None when none does, or when its supervisor was killed.

    Raises: StackError when stack.json cannot be read or is not one.
    """
    path = data_dir / STACK_FILE
    try:
        info: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise StackError(message) from None
    except ValueError:  # no UTF-8, or no JSON
        info = None
    if not _is_stack_info(info):
        message = f"{path} is broken; stop the stack if it runs, and start it again: that writes a new one"
        raise StackError(message)
    return info if any(start_mark(pid) for pid in info["pids"]["supervisor"]) else None
