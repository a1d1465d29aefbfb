"""stack.json: how other programs find a running stack."""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from devstack.private_file import write_private
from devstack.stack_error import StackError

STACK_FILE = "stack.json"
GROUPS = ("supervisor", "receiver", "worker", "beat", "console", "flower", "postgres", "redis", "standins")


class Admin(BaseModel):
    """The first operator."""

    model_config = ConfigDict(frozen=True)

    email: str
    password: str


class StackInfo(BaseModel):
    """Where everything of a running stack is.

    database_url: a role that may read all tenants. flower_auth: `user:password`. standins: base URL by provider, only those
    that run. pids: the leading process of each child by group; every group is there, an empty one has no process here.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    receiver_url: str
    console_url: str
    flower_url: str
    metrics_urls: tuple[str, ...]
    database_url: str
    redis_url: str
    flower_auth: str
    admin: Admin
    standins: dict[str, str]
    pids: dict[str, tuple[int, ...]]


def write_stack_file(data_dir: Path, info: StackInfo) -> None:
    """Write or replace stack.json; mode 0600."""
    write_private(data_dir / STACK_FILE, info.model_dump_json(indent=2) + "\n")


def remove_stack_file(data_dir: Path) -> None:
    """Take stack.json away: the stack has stopped."""
    (data_dir / STACK_FILE).unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def find_stack(data_dir: Path) -> StackInfo | None:
    """The stack that runs on this folder; None when none does, or when its supervisor was killed.

    Raises: StackError when stack.json cannot be read or is not one.
    """
    path = data_dir / STACK_FILE
    try:
        info = StackInfo.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise StackError(message) from None
    except (ValidationError, UnicodeDecodeError):
        message = f"{path} is broken; stop the stack if it runs, and start it again: that writes a new one"
        raise StackError(message) from None
    supervisor = info.pids.get("supervisor", ())
    return info if any(_is_alive(pid) for pid in supervisor) else None
