"""`earshot demo`: the main job with sample tenants and signed sample traffic, no account needed."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from cli.connect import find_installation
from cli.demo_table import render_table
from cli.errors import CommandError
from cli.tenant import apply_configs
from cli.up import add_arguments as add_up_arguments
from cli.up import stack_options
from config.settings import SettingsError
from config.tenant_file import load_tenant_file
from devstack.samples.play import play
from devstack.samples.traffic import TENANTS, SampleTraffic, tenant_files
from devstack.stack_error import StackError
from devstack.stack_file import StackInfo
from devstack.up import Stack, UpOptions, stop_on_signals
from store.reports import MessageOutcome, list_outcomes, newest_message_id

ACCOUNTS_LIVE_AFTER_S = 3.0
FINISHED = {"done", "unanalyzed"}
GIVE_UP_AFTER_S = 90.0
# The demo never spends a real key and never writes to a real customer.
REAL_PROVIDERS = (
    "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "GRAPH_API_URL", "INSTAGRAM_API_URL", "HUBSPOT_API_URL",
    "SALESFORCE_LOGIN_URL", "ZOHO_API_URL", "ZOHO_ACCOUNTS_URL", "PIPEDRIVE_API_URL", "PIPEDRIVE_OAUTH_URL",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """As `up`, and --once."""
    add_up_arguments(parser)
    parser.add_argument("--once", action="store_true", help="play, verify, exit: code 0 when all is as it should be")


def _without_real_providers(options: UpOptions) -> UpOptions:
    names = {name for base in REAL_PROVIDERS for name in (base, f"{base}_FILE")}
    environ = {name: value for name, value in options.environ.items() if name not in names}
    return replace(options, live=False, environ=environ)


def run(options: argparse.Namespace) -> int:
    """Start the stack, play the sample, show what became of it."""
    if options.live:
        message = "the demo plays with stand-ins only; use `earshot up --live` for real providers"
        raise CommandError(message)
    stack = Stack(_without_real_providers(stack_options(options)), say=print)
    try:
        with stop_on_signals(stack), stack:
            info = stack.start()
            print("READY", flush=True)
            problems = _play_and_show(options, info)
            if options.once:
                return 1 if problems else 0
            _print_urls(info)
            stack.wait()
    except KeyboardInterrupt:
        return 0
    except (StackError, SettingsError) as error:
        raise CommandError(str(error)) from None
    return 1


def _play_and_show(options: argparse.Namespace, info: StackInfo) -> list[str]:
    installation = find_installation(options.data)
    configs = [load_tenant_file(path, environ=os.environ) for path in tenant_files()]
    apply_configs(installation, configs)
    print(f"\nThree tenants: {', '.join(config.name for config in configs)}. Their customers write:\n")
    with installation.system_transaction() as conn:
        before = newest_message_id(conn)
    time.sleep(ACCOUNTS_LIVE_AFTER_S)
    now_s = int(time.time())
    webhooks = list(SampleTraffic(now_s=now_s, run=str(time.time_ns())).webhooks())
    refused = play(webhooks, receiver_url=info["receiver_url"])

    def outcomes() -> list[MessageOutcome]:
        with installation.system_transaction() as conn:
            return list_outcomes(conn, tenants=list(TENANTS), newer_than_id=before)

    expected = sum(webhook.expected for webhook in webhooks)
    rows = _wait_until_finished(outcomes, expected=expected)
    print(render_table(rows))
    problems = _problems(rows, expected=expected, refused=refused)
    _print_summary(rows, webhooks=len(webhooks), seconds=time.time() - now_s, problems=problems)
    return problems


def _wait_until_finished(outcomes: Callable[[], list[MessageOutcome]], *, expected: int) -> list[MessageOutcome]:
    """Live progress until every message is finished, or too much time has passed."""
    deadline = time.monotonic() + GIVE_UP_AFTER_S
    while True:
        rows = outcomes()
        done = sum(row.state in FINISHED for row in rows)
        if sys.stdout.isatty():
            bar = "█" * (30 * done // max(expected, 1))
            print(f"\r  {bar:<30} {done} of {expected} analyzed, routed, synced", end="", flush=True)
        if done >= expected or time.monotonic() > deadline:
            print("\r" + " " * 78 + "\r" if sys.stdout.isatty() else f"  {done} of {expected} analyzed, routed, synced")
            return rows
        time.sleep(0.25)


def _problems(rows: list[MessageOutcome], *, expected: int, refused: int) -> list[str]:
    problems: list[str] = []
    if refused:
        problems.append(f"{refused} webhooks were not answered with 200")
    if len(rows) != expected:
        problems.append(f"{len(rows)} messages are stored instead of {expected}")
    unfinished = [row for row in rows if row.state not in FINISHED]
    if unfinished:
        problems.append(f"{len(unfinished)} messages are not finished")
    undecided = [row for row in rows if row.queue is None]
    if undecided:
        problems.append(f"{len(undecided)} messages have no decision")
    return problems


def _print_summary(rows: list[MessageOutcome], *, webhooks: int, seconds: float, problems: list[str]) -> None:
    labels = Counter(row.sentiment for row in rows if row.sentiment)
    stripped = sum(sum((row.stripped or {}).values()) for row in rows)
    urgent = sum(row.priority == "P1" for row in rows)
    print(
        f"\n{webhooks} webhooks, {len(rows)} messages in {seconds:.1f} s: {labels['negative']} negative, "
        f"{labels['neutral']} neutral, {labels['positive']} positive; {urgent} urgent ones stand first; "
        f"{stripped} pieces of personal data never left this machine."
    )
    print("The readings come from a stand-in for Claude (a keyword reader), labelled so in every stored analysis.")
    for problem in problems:
        print(f"PROBLEM: {problem}")


def _print_urls(info: StackInfo) -> None:
    print(
        f"\nConsole   {info['console_url']}   sign in as {info['admin']['email']} (password in stack.json)"
        f"\nFlower    {info['flower_url']}   user and password: see flower_auth in stack.json"
        f"\nReceiver  {info['receiver_url']}/webhooks/whatsapp and /webhooks/instagram"
        "\nCtrl-C stops everything."
    )
