"""What one message costs, as it was measured: the file that `python -m benchmarks.capacity_constants` writes."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cli.errors import CommandError

COMMAND = "python -m benchmarks.capacity_constants"
SHIPPED = "capacity_measured.json"
# Processes of which the plan counts cores: all of them must have been measured.
KINDS = ("receiver", "analyze", "stages", "delivery", "crm", "beat", "console", "flower", "postgres", "redis")

Amount = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]


class Source(BaseModel):
    """Where the figures come from. messages_per_s: how fast the machine was while they were made."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    command: str
    date: str
    machine: str
    messages: int
    messages_per_s: Positive


class Measured(BaseModel):
    """One message's share of everything, beside what a stack takes in which nothing comes. `kind` is a kind of process."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    source: Source
    cpu_ms_per_message: dict[str, Amount]
    """Milliseconds of processor time by kind, in the ordinary lane."""
    postgres_ms_by_client: dict[str, Amount]
    """Postgres's part of it by the kind that asked; the rest is its own upkeep."""
    flood_cpu_ms_per_message: dict[str, Amount]
    """The same for what is beyond a tenant's share and waits in the flood's lane."""
    flood_postgres_ms_by_client: dict[str, Amount]
    idle_cores: dict[str, Amount]
    """Cores by kind without messages."""
    memory_mb: dict[str, Amount]
    """Of one process by kind; of all its processes for the receiver and Postgres."""
    commits_per_message: Positive
    rows_written_per_message: Positive
    """Rows inserted, updated and deleted."""
    wal_bytes_per_message: Positive
    redis_commands_per_message: Positive
    redis_idle_commands_per_s: Amount
    """Of one worker of each role."""
    redis_bytes_per_waiting_task: Positive
    upkeep_ms_per_message: dict[str, Positive]
    """Of the statements that count a tenant's messages as a whole: hour_account, label_day."""
    text_chars: Positive
    """How long the messages were whose rows were weighed."""
    bytes_per_message: dict[str, Amount]
    """Bytes by table, with indexes."""
    bytes_per_char: dict[str, Amount]
    """What one character more adds, by table."""


def load_measured(path: Path | None) -> Measured:
    """From a file, or the figures that come with Earshot. Raises: CommandError naming the file, the field and the fix."""
    name = str(path) if path else SHIPPED
    again = f"write it anew with `{COMMAND} > FILE`"
    try:
        text = path.read_text(encoding="utf-8") if path else (files("cli") / SHIPPED).read_text(encoding="utf-8")
        measured = Measured.model_validate(json.loads(text))
    except OSError as error:
        message = f"--measured: {name} cannot be read ({error.strerror})"
        raise CommandError(message) from None
    except ValueError as error:
        if isinstance(error, ValidationError):
            first = error.errors(include_input=False, include_url=False)[0]
            what = f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
        else:
            what = "it is no JSON document"
        message = f"--measured: {name} is not usable ({what}); {again}"
        raise CommandError(message) from None
    parts = (
        "cpu_ms_per_message", "postgres_ms_by_client", "flood_cpu_ms_per_message", "flood_postgres_ms_by_client", "idle_cores", "memory_mb",
    )  # fmt: skip
    lacking = [f"{part}.{kind}" for part in parts for kind in KINDS if kind not in getattr(measured, part)]
    lacking += [
        f"upkeep_ms_per_message.{one}"
        for one in ("hour_account", "label_day")
        if one not in measured.upkeep_ms_per_message
    ]
    if lacking:
        message = f"--measured: {name} lacks {', '.join(lacking[:5])}; {again}"
        raise CommandError(message)
    return measured
