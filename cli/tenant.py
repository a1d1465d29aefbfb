"""`earshot tenant apply FILE.toml … | list | check FILE.toml … | export SLUG`"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from cli.connect import Installation, describe, find_installation
from cli.errors import CommandError
from cli.main import add_data_argument
from cli.output import print_rows
from cli.reroute import print_moves
from cli.tenant_export import write_tenant_file
from cli.tenant_scope import tenant_transaction
from config.settings import environment_value
from config.tenant import TenantConfig
from config.tenant_file import TenantFileError, load_tenant_file, problem_of_rule
from routing.rule_check import check_rules
from routing.unfed_rules import list_unfed_rules
from store.agents import list_agents
from store.db import Database, StoreError
from store.tenant_export import read_tenant_export
from store.tenant_settings import list_lost_changes
from store.tenants import apply_tenant, find_tenant_id, list_tenants
from worker.rerouting import reroute


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    apply = actions.add_parser("apply", help="create or update tenants from files; live within 5 s")
    apply.add_argument("files", nargs="+", type=Path, metavar="FILE.toml")
    apply.add_argument(
        "--open-conversations",
        action="store_true",
        help="settle open conversations by the new settings too; nothing fires",
    )
    apply.add_argument(
        "--overwrite",
        action="store_true",
        help="also where this takes back what was changed in the console or by the API since",
    )
    check = actions.add_parser("check", help="check files without applying them")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE.toml")
    listing = actions.add_parser("list", help="all tenants")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    export = actions.add_parser("export", help="a tenant's settings as a file, without its secrets")
    export.add_argument("slug", metavar="SLUG")
    for action in (apply, check, listing, export):
        add_data_argument(action)


def load_files(files: list[Path]) -> list[TenantConfig]:
    """Checked files, in order. Raises: CommandError with everything that is wrong with any of them."""
    problems: list[str] = []
    configs: list[TenantConfig] = []
    for path in files:
        try:
            config = load_tenant_file(path, environ=os.environ)
        except TenantFileError as error:
            problems.append(str(error))
            continue
        problems.extend(_dead_rules(config, path=path))
        problems.extend(f"{path}: {problem}" for problem in _target_problems(config))
        configs.append(config)
    if problems:
        # Of files only: a stored tenant whose template has grown is never locked out.
        raise CommandError("nothing was applied\n" + "\n".join(problems))
    return configs


def _dead_rules(config: TenantConfig, *, path: Path) -> list[str]:
    """One line per rule of the file that can never decide: where, why, and a message that shows it."""
    text = path.read_text(encoding="utf-8")
    return [
        problem_of_rule(
            config,
            ("rules", finding.position, "when", *([finding.key] if finding.key != "when" else [])),
            f"can never decide: {finding.because}. For example: {finding.example}.",
            source=str(path),
            text=text,
        )
        for finding in check_rules(config)
    ]


def warn_of_unfed_rules(config: TenantConfig, *, path: Path) -> int:
    """Tell which rules can never match because nothing tells what they ask for; returns how many rules. They are applied all the
    same: the CRM may come later.
    """
    text = path.read_text(encoding="utf-8")
    unfed = list_unfed_rules(config)
    for one in unfed:
        loc = ("rules", one.position, "when", one.key)
        told = problem_of_rule(config, loc, f"can never match: {one.because}", source=str(path), text=text)
        print(f"warning: {told}", file=sys.stderr)
    return len({one.position for one in unfed})


def _target_problems(config: TenantConfig) -> list[str]:
    """One line per alert target that could never be told anything. The URL is not quoted."""
    if not config.alerts:
        return []
    # apprise takes a second to load.
    from channels.alert_services import AlertSendError, check_reachable

    allow_private = (environment_value(os.environ, "ALLOW_PRIVATE_URLS") or "").lower() in {"1", "true", "yes", "on"}
    problems: list[str] = []
    for number, target in enumerate(config.alerts):
        try:
            check_reachable(target.to.get_secret_value(), allow_private=allow_private)
        except AlertSendError as error:
            problems.append(f"alerts.{number}.to: {_TARGET_PROBLEMS[error.code]}")
    return problems


_TARGET_PROBLEMS = {
    "unusable_url": "is not a complete apprise URL of this service; see docs/alerts.md for how each is written",
    "private_address": "points inside the network; name a public host (or set ALLOW_PRIVATE_URLS for all tenants)",
}


def _refuse_to_take_back(installation: Installation, configs: list[TenantConfig]) -> None:
    """Raises: CommandError when a file knows nothing of what people have changed in the console since it was applied."""
    with installation.system_transaction() as conn:
        lost = {config.slug: list_lost_changes(conn, config) for config in configs}
    problems = [
        f"{slug}: was changed in the console or by the API since; this file would take back: {', '.join(paths)}"
        for slug, paths in lost.items()
        if paths
    ]
    if problems:
        fix = "write it into the file (earshot tenant export SLUG shows what stands), or apply with --overwrite"
        raise CommandError("\n".join(["nothing was applied", *problems, fix]))


def apply_configs(installation: Installation, configs: list[TenantConfig]) -> list[int]:
    """Apply all or none; tells a stand-in which accounts it plays. Returns the tenants' ids in order."""
    with installation.system_transaction() as conn:
        ids = [apply_tenant(conn, config, keyring=installation.keyring) for config in configs]
    _tell_graph_standin(installation, configs)
    return ids


def _tell_graph_standin(installation: Installation, configs: list[TenantConfig]) -> None:
    """The stand-in sends status webhooks signed with the account's secret, so it must know it."""
    graph = installation.stack.get("standins", {}).get("graph")
    if not graph:
        return
    receiver = installation.stack["receiver_url"]
    accounts = [
        {
            "kind": channel.kind,
            "account_id": channel.account_id,
            "app_secret": channel.app_secret[0].get_secret_value(),
            "webhook_url": f"{receiver}/webhooks/{channel.kind}",
        }
        for config in configs
        for channel in config.channels
    ]
    body = json.dumps({"accounts": accounts}).encode()
    request = urllib.request.Request(f"{graph}/_accounts", data=body, headers={"Content-Type": "application/json"})  # noqa: S310
    try:
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310
    except (urllib.error.URLError, OSError):
        message = (
            f"the tenants are applied, but the Graph stand-in at {graph} does not answer: no status webhooks will come"
        )
        raise CommandError(message) from None


def run(options: argparse.Namespace) -> int:
    """Apply, check or list."""
    if options.action == "list":
        with find_installation(options.data).system_transaction() as conn:
            rows = [vars(row) for row in list_tenants(conn)]
        print_rows(rows, as_json=options.json, empty="no tenants yet: earshot tenant apply FILE.toml")
        return 0
    if options.action == "export":
        print(_export(find_installation(options.data), options.slug), end="")
        return 0
    configs = load_files(options.files)
    for path, config in zip(options.files, configs, strict=True):
        warn_of_unfed_rules(config, path=path)
    if options.action == "check":
        for config in configs:
            print(f"{config.slug}: fine ({len(config.channels)} channels)")
        return 0
    installation = find_installation(options.data)
    if not options.overwrite:
        _refuse_to_take_back(installation, configs)
    ids = apply_configs(installation, configs)
    for tenant_id, config in zip(ids, configs, strict=True):
        print(f"{config.slug}: applied as tenant {tenant_id}, {len(config.channels)} channels")
        _warn_of_missing_assignee(installation, config)
        if options.open_conversations:
            _settle_open_conversations(installation, tenant_id, config)
    return 0


def _export(installation: Installation, slug: str) -> str:
    with installation.system_transaction() as conn:
        tenant_id = find_tenant_id(conn, slug)
        if tenant_id is None:
            message = f"there is no tenant {slug}; earshot tenant list shows all"
            raise CommandError(message)
        return write_tenant_file(read_tenant_export(conn, tenant_id))


def _warn_of_missing_assignee(installation: Installation, config: TenantConfig) -> None:
    """People may be added after the file, so a name that nobody has yet is told and not refused."""
    assign = config.actions.get("assign")
    if assign is None or assign.assignee is None:
        return
    with tenant_transaction(installation, config.slug) as (conn, tenant_id):
        agents = {agent.email for agent in list_agents(conn, tenant_id)}
    if assign.assignee.lower() not in agents:
        print(
            f"{config.slug}: warning: actions.assign.assignee is nobody who answers customers yet, so whoever is free gets the"
            f" conversations; add them: earshot user add --role agent, then earshot agent set",
            file=sys.stderr,
        )


def _settle_open_conversations(installation: Installation, tenant_id: int, config: TenantConfig) -> None:
    database = Database(installation.database_url, pool_size=1)
    try:
        print_moves(reroute(database, tenant_id, tenant=config, apply=False))
        done = reroute(database, tenant_id, tenant=config, apply=True)
        print(f"{config.slug}: {done.moved} of {done.conversations} open conversations moved; nothing was sent")
    except StoreError as error:
        raise CommandError(describe(error)) from None
    finally:
        database.close()
