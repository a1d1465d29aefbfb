"""`earshot webhook list | add | pause | resume | rotate-secret | remove | test | deliveries | replay`"""

import argparse
import time
from datetime import UTC, datetime
from typing import Any, get_args

from cli.errors import CommandError
from cli.output import print_rows
from cli.tenant_scope import as_uuid
from cli.workbench import Workbench, add_tenant_argument, open_workbench
from config.webhook_subscriptions import EVENT_KINDS, SubscriptionError, read_subscription
from store.db import Connection
from store.webhook_deliveries import (
    Delivery,
    DeliveryState,
    add_test,
    find_delivery,
    list_deliveries,
    replay_delivery,
    replay_failed,
)
from store.webhook_subscriptions import (
    OLD_SECRET_H,
    Subscription,
    add_subscription,
    find_subscription,
    list_subscriptions,
    pause_subscription,
    remove_subscription,
    resume_subscription,
    rotate_secret,
)

WAITED_S, LOOK_EVERY_S = 20.0, 0.3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="programs that are told of events, and how they stand")
    adding = actions.add_parser("add", help="have a program told of events; prints its secret, this once")
    adding.add_argument("url", metavar="URL", help="https with a public name")
    adding.add_argument(
        "--kind", action="append", choices=EVENT_KINDS, required=True, help="of what it is told; may be repeated"
    )
    adding.add_argument("--description", default="", metavar="TEXT", help="for people")
    adding.add_argument(
        "--include-text", action="store_true", help="also the message without personal data, and its summary"
    )
    changes = {
        "pause": "send nothing and note nothing until it is resumed",
        "resume": "tell it again, also after it was switched off",
        "rotate-secret": f"print a new secret; the old one signs beside it for {OLD_SECRET_H} hours",
        "remove": "tell it nothing any more",
        "test": "send a test event and wait for what becomes of it",
    }
    parsers = [actions.add_parser(name, help=help_text) for name, help_text in changes.items()]
    deliveries = actions.add_parser("deliveries", help="what was told and what waits, newest first")
    deliveries.add_argument("--state", choices=get_args(DeliveryState))
    deliveries.add_argument("--limit", type=int, default=100, metavar="N")
    replay = actions.add_parser("replay", help="tell events again, under their own ids")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("--delivery", type=as_uuid, metavar="ID", help="this one, whatever became of it")
    which.add_argument("--since", type=_moment, metavar="TIME", help="all that were given up of those since then")
    for one in (*parsers, deliveries, replay):
        one.add_argument("webhook", type=as_uuid, metavar="WEBHOOK")
    for one in (listing, adding, deliveries):
        one.add_argument("--json", action="store_true", help="one JSON object a line")
    for one in (listing, adding, *parsers, deliveries, replay):
        add_tenant_argument(one)


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no time; write 2026-11-24 or 2026-11-24T12:00:00Z"
        raise argparse.ArgumentTypeError(message) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def run(options: argparse.Namespace) -> int:
    """One subcommand."""
    with open_workbench(options) as bench:
        match options.action:
            case "list":
                with bench.transaction() as conn:
                    rows = [_row(one) for one in list_subscriptions(conn, bench.tenant_id)]
                print_rows(rows, as_json=options.json, empty="no program is told of anything; see earshot webhook add")
            case "add":
                _add(bench, options)
            case "test":
                return _test(bench, options)
            case "deliveries":
                with bench.transaction() as conn:
                    found = list_deliveries(
                        conn,
                        bench.tenant_id,
                        _get(conn, bench, options).id,
                        state=options.state,
                        limit=max(1, options.limit),
                    )
                print_rows([_told(one) for one in found], as_json=options.json, empty="nothing yet")
            case "replay":
                _replay(bench, options)
            case _:
                _change(bench, options)
    return 0


def _get(conn: Connection, bench: Workbench, options: argparse.Namespace) -> Subscription:
    found = find_subscription(conn, bench.tenant_id, options.webhook)
    if found is None:
        raise CommandError("there is no such webhook in this tenant; see earshot webhook list")
    return found


def _time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def _row(one: Subscription) -> dict[str, Any]:
    return {
        "id": one.id,
        "host": one.host,
        "description": one.description or None,
        "kinds": ",".join(one.kinds),
        "text": one.include_text,
        "state": one.state,
        "because": one.paused_because,
        "failures": one.failures,
        "waiting": one.waiting,
        "last_arrived": _time(one.delivered_at),
    }


def _told(one: Delivery) -> dict[str, Any]:
    return {
        "id": one.id,
        "at": _time(one.created_at),
        "kind": one.kind,
        "state": one.state,
        "tries": one.tries,
        "answer": one.status,
        "error_code": one.error_code,
        "next_try": _time(one.next_at) if one.state == "pending" and one.tries else None,
        "message_id": one.message_id,
    }


def _add(bench: Workbench, options: argparse.Namespace) -> None:
    try:
        wanted = read_subscription(
            url=options.url,
            kinds=options.kind,
            description=options.description,
            include_text=options.include_text,
            allow_private=bench.deps.settings.allow_private_urls,
        )
        with bench.transaction() as conn:
            made, secret = add_subscription(conn, bench.tenant_id, wanted, keyring=bench.deps.keyring, by=None)
    except SubscriptionError as error:
        raise CommandError(str(error)) from None
    print_rows([{"id": made, "secret": secret}], as_json=options.json, empty="")


def _change(bench: Workbench, options: argparse.Namespace) -> None:
    with bench.transaction() as conn:
        found = _get(conn, bench, options)
        if options.action == "rotate-secret":
            print(rotate_secret(conn, bench.tenant_id, found.id, keyring=bench.deps.keyring, by=None))
            return
        change = {"pause": pause_subscription, "resume": resume_subscription, "remove": remove_subscription}
        done = change[options.action](conn, bench.tenant_id, found.id, by=None)
    print("done" if done else f"it is {found.state} already; nothing changed")


def _replay(bench: Workbench, options: argparse.Namespace) -> None:
    with bench.transaction() as conn:
        found = _get(conn, bench, options)
        if options.since:
            replayed = replay_failed(conn, bench.tenant_id, found.id, since=options.since, by=None)
        else:
            if find_delivery(conn, bench.tenant_id, found.id, options.delivery) is None:
                raise CommandError("this webhook has no such delivery; see earshot webhook deliveries")
            replayed = int(replay_delivery(conn, bench.tenant_id, found.id, options.delivery, by=None))
    print(f"{replayed} told again" if replayed else "nothing to tell again")


def _test(bench: Workbench, options: argparse.Namespace) -> int:
    with bench.transaction() as conn:
        found = _get(conn, bench, options)
        delivery_id = add_test(conn, bench.tenant_id, found.id, by=None)
    if delivery_id is None:
        raise CommandError(f"it is {found.state}: resume it first")
    deadline = time.monotonic() + WAITED_S
    while time.monotonic() < deadline:
        with bench.transaction() as conn:
            told = find_delivery(conn, bench.tenant_id, found.id, delivery_id)
        if told and (told.state == "delivered" or told.error_code):
            print("arrived" if told.state == "delivered" else f"not taken: {told.error_code}")
            return 0 if told.state == "delivered" else 1
        time.sleep(LOOK_EVERY_S)
    print("it still waits: does a worker run? see earshot webhook deliveries")
    return 1
