"""A tenant's TOML file: read, checked field by field, and told where it is wrong."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config.action_checks import list_action_problems
from config.environment import SECRET_FILE_SUFFIX
from config.field_problems import list_field_problems
from config.queue_names import list_queue_problems
from config.rule_names import check_names
from config.settings import Settings
from config.tenant import TenantConfig
from config.topic_names import list_topic_problems

ENV_PREFIX = "env:"
# Whoever writes a tenant's file is not always whoever runs Earshot: `texts = { en = "env:…" }` would tell any variable of the
# machine to any customer. So what is written to customers, agents or the model is written in the file itself.
_WORDING = re.compile(
    r"(actions\.\w+\.(texts|template)|topics|queues|floor|names)\b.*|rules\[\d+\]\.(because|name)|name"
)
_OWN_VARIABLES = frozenset(
    name + suffix
    for name in (
        *(field.upper() for field in Settings.model_fields),
        "OWNER_DATABASE_PASSWORD", "APP_DATABASE_PASSWORD", "REDIS_PASSWORD", "FLOWER_BASIC_AUTH",
    )
    for suffix in ("", SECRET_FILE_SUFFIX)
)  # fmt: skip


class TenantFileError(Exception):
    """A tenant file cannot be used; the text names the file, the key, the line where known, and the fix."""


def _resolve_env(value: Any, environ: Mapping[str, str], *, path: str) -> Any:
    if isinstance(value, dict):
        return {key: _resolve_env(item, environ, path=f"{path}.{key}" if path else key) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve_env(item, environ, path=f"{path}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, str) and value.startswith(ENV_PREFIX):
        name = value.removeprefix(ENV_PREFIX)
        if _WORDING.fullmatch(path):
            message = f"{path} may not be read from the environment: it is shown to people; write it in the file"
            raise TenantFileError(message)
        if name.upper() in _OWN_VARIABLES:
            message = f"{path} asks for {name}, which is Earshot's own; a tenant's secrets have variables of their own"
            raise TenantFileError(message)
        if not environ.get(name):
            message = f"{path} asks for the environment variable {name}, which is not set"
            raise TenantFileError(message)
        return environ[name]
    return value


def _line_of(text: str, loc: tuple[int | str, ...]) -> int | None:
    """The line where the key at `loc` most likely stands, or None. TOML parsers keep no positions."""
    lines = text.splitlines()
    start: int | None = None
    names = [part for part in loc if isinstance(part, str)]
    depth = 0
    for position, part in enumerate(loc):
        if isinstance(part, int):
            header = re.compile(rf"^\s*\[\[\s*{re.escape(str(loc[position - 1]))}\s*\]\]")
            found = [number for number, line in enumerate(lines) if header.match(line)]
            start = found[part] if part < len(found) else start
            continue
        depth += 1
        here = _find_key(lines, names[:depth], start or 0)
        if here is None and start is not None:
            break
        start = here
    return None if start is None else start + 1


def _find_key(lines: Sequence[str], names: Sequence[str], start: int) -> int | None:
    """Where the table of these names begins, else a table below it, else its last name as a key of the table at `start`."""
    table = re.escape(".".join(names))
    key = re.compile(rf"""^\s*["']?{re.escape(names[-1])}["']?\s*[.=]""")
    for header in (re.compile(rf"^\s*\[\[?\s*{table}\s*\]"), re.compile(rf"^\s*\[\[?\s*{table}\s*\.")):
        found = next((number for number in range(start, len(lines)) if header.match(lines[number])), None)
        if found is not None:
            return found
    for number in range(start, len(lines)):
        if key.match(lines[number]):
            return number
        if number > start and lines[number].lstrip().startswith("["):
            return None
    return None


def _place(source: str, text: str, loc: tuple[int | str, ...]) -> str:
    """The file, with the line where it is known."""
    line = _line_of(text, loc) if loc else None
    return f"{source}:{line}" if line else source


def _explain(error: ValidationError, *, source: str, text: str) -> str:
    problems: list[str] = []
    for loc, reason in list_field_problems(error):
        where = ".".join(str(part) for part in loc) or "the file"
        place = _place(source, text, loc)
        problems.append(f"{place}: {where}: {_rule_named(loc, text)}{reason}")
    return "\n".join(problems)


def _rule_named(loc: tuple[int | str, ...], text: str) -> str:
    """`rule "name": ` where the place is in a rule that has a name, else nothing."""
    if len(loc) < 3 or loc[0] != "rules" or not isinstance(loc[1], int):
        return ""
    name = tomllib.loads(text)["rules"][loc[1]].get("name")
    return f'rule "{name}": ' if isinstance(name, str) and re.fullmatch(r"[a-z0-9_]{1,64}", name) else ""


def problem_of_rule(config: TenantConfig, loc: tuple[int | str, ...], told: str, *, source: str, text: str) -> str:
    """One line about a rule of the file: file, line, key, the rule's name and what is wrong. loc: ("rules", position, key, …)."""
    assert isinstance(loc[1], int)
    name = config.rules[loc[1]].name
    return f'{_place(source, text, loc)}: {".".join(str(part) for part in loc)}: rule "{name}": {told}'


def _toml_problem(error: tomllib.TOMLDecodeError, *, source: str, text: str) -> str:
    """The parser's words with the line in front, and in ours when the same key or table stands there twice."""
    told = str(error)
    at = re.search(r"at line (\d+)", told)
    line = int(at[1]) if at else len(text.splitlines())
    twice = "Cannot overwrite" in told or "Cannot declare" in told
    hint = f": a key or table stands here for the second time (line {line}); keep one of the two" if twice else ""
    return f"{source}:{line}: not valid TOML: {told}{hint}"


def parse_tenant_file(text: str, *, source: str, environ: Mapping[str, str]) -> TenantConfig:
    """A checked TenantConfig from TOML text; `env:NAME` in place of a text is read from `environ`.

    Raises: TenantFileError with one line per problem: file, line, key, and what to do. No value is quoted.
    """
    try:
        document = _resolve_env(tomllib.loads(text), environ, path="")
    except tomllib.TOMLDecodeError as error:
        raise TenantFileError(_toml_problem(error, source=source, text=text)) from None
    except TenantFileError as error:
        message = f"{source}: {error}"
        raise TenantFileError(message) from None
    except (RecursionError, ValueError):  # thousands of brackets, or a number of thousands of digits
        message = f"{source}: not a tenant file: it is nested too deeply, or holds a number that is too long"
        raise TenantFileError(message) from None
    try:
        config = TenantConfig.model_validate(document)
    except ValidationError as error:
        raise TenantFileError(_explain(error, source=source, text=text)) from None
    allow_private = environ.get("ALLOW_PRIVATE_URLS", "").lower() in {"1", "true", "yes"}
    problems = [
        *(
            f"{_place(source, text, where)}: {'.'.join(where)}: {problem}"
            for where, problem in (
                *list_topic_problems(config),
                *list_action_problems(config, allow_private_urls=allow_private),
                *list_queue_problems(config),
            )
        ),
        *(
            problem_of_rule(config, problem.loc, problem.told, source=source, text=text)
            for problem in check_names(config)
        ),
    ]
    if problems:
        raise TenantFileError("\n".join(problems))
    return config


def load_tenant_file(path: Path, *, environ: Mapping[str, str]) -> TenantConfig:
    """Read and check one tenant file.

    Raises: TenantFileError, also when the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        raise TenantFileError(message) from None
    return parse_tenant_file(text, source=str(path), environ=environ)
