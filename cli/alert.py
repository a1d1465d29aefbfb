"""`earshot alert list | show | ack | snooze | test`"""

import argparse
from datetime import datetime
from typing import Any

from channels.alert_services import AlertSendError, send_alert
from cli.errors import CommandError
from cli.output import print_rows
from cli.tenant_scope import as_uuid
from cli.workbench import MAY_CORRECT, Workbench, add_tenant_argument, open_workbench
from routing.alerts import sentence
from store.alert_deliveries import list_deliveries
from store.alert_targets import list_targets
from store.alerts import Alert, acknowledge_alert, find_alert, list_alerts, snooze_alert
from store.churn import list_story
from store.db import Connection

MAX_SNOOZE_H = 24 * 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="open alerts, newest first")
    listing.add_argument("--all", action="store_true", help="also what is acknowledged, snoozed or resolved")
    listing.add_argument("--kind", help="only this kind")
    show = actions.add_parser("show", help="one alert; for churn the story so far, for trends the figures")
    ack = actions.add_parser("ack", help="say that somebody is on it")
    snooze = actions.add_parser("snooze", help="put it away; it is told again when the time is up")
    snooze.add_argument("--hours", type=_hours, default=4.0, metavar="N", help="for how long (default: 4)")
    test = actions.add_parser("test", help="send a test to every target of the tenant")
    for action in (ack, snooze):
        action.add_argument("--by", required=True, metavar="EMAIL", help="who says so")
    for action in (show, ack, snooze):
        action.add_argument("alert", type=as_uuid, metavar="ALERT")
    for action in (listing, show, test):
        action.add_argument("--json", action="store_true", help="one JSON object a line")
    for action in (listing, show, ack, snooze, test):
        add_tenant_argument(action)


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= MAX_SNOOZE_H:
        message = f"{text!r} is not a number of hours up to {MAX_SNOOZE_H}"
        raise argparse.ArgumentTypeError(message)
    return hours


def run(options: argparse.Namespace) -> int:
    """One subcommand."""
    with open_workbench(options) as bench:
        if options.action == "test":
            return _test(bench, options)
        if options.action in {"ack", "snooze"}:
            return _change(bench, options)
        with bench.transaction() as conn:
            if options.action == "list":
                found = list_alerts(conn, bench.tenant_id, include_closed=options.all, kind=options.kind)
                print_rows([_row(one) for one in found], as_json=options.json, empty="no alerts are open")
                return 0
            return _show(conn, _get(conn, bench, options), options)


def _get(conn: Connection, bench: Workbench, options: argparse.Namespace) -> Alert:
    alert = find_alert(conn, bench.tenant_id, options.alert)
    if alert is None:
        message = "there is no such alert in this tenant; see earshot alert list --all"
        raise CommandError(message)
    return alert


def _row(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "created_at": _time(alert.created_at),
        "kind": alert.kind,
        "severity": alert.severity,
        "state": alert.state,
        "queue": alert.queue,
        "seen": alert.times_seen,
        "what": sentence(alert.kind, alert.details),
    }


def _about(alert: Alert) -> dict[str, Any]:
    """Where to look: `earshot rules explain` and the API take these ids."""
    return {"conversation_id": alert.conversation_id, "message_id": alert.message_id}


def _time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def _show(conn: Connection, alert: Alert, options: argparse.Namespace) -> int:
    story = list_story(conn, alert.customer_id) if alert.kind == "churn" and alert.customer_id else []
    lines = [{**vars(line), "sent_at": _time(line.sent_at)} for line in story]
    sent = [vars(one) for one in list_deliveries(conn, alert.id)]
    if options.json:
        shown = {**_row(alert), **_about(alert), "details": alert.details, "story": lines, "deliveries": sent}
        print_rows([shown], as_json=True, empty="")
        return 0
    for name, value in {**_row(alert), **_about(alert)}.items():
        print(f"{name:<16}{value if value is not None else '-'}")
    for topic, figures in alert.details.get("topics", {}).items():
        window, base = figures["window"], figures["base"]
        print(
            f"{topic or 'all topics'}: {window['negatives']} of {window['messages']} in {figures['window_h']} h, "
            f"base {base['negatives']} of {base['messages']}; by chance once in {1 / max(figures['chance'], 1e-12):,.0f} looks"
        )
    if lines:
        print("\nThe story so far:")
        keys = ("sent_at", "channel", "who", "sentiment", "intent", "priority", "summary", "done")
        print_rows([_told(line, keys) for line in lines], as_json=False, empty="")
    if sent:
        print("\nSent to:")
        print_rows(sent, as_json=False, empty="")
    return 0


def _told(line: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: ", ".join(line[key]) or None if key == "done" else line[key] for key in keys}


def _change(bench: Workbench, options: argparse.Namespace) -> int:
    by = bench.person(options.by, may=MAY_CORRECT)
    with bench.transaction() as conn:
        alert = _get(conn, bench, options)
        if options.action == "ack":
            done = acknowledge_alert(conn, alert.id, by=by)
            print("acknowledged" if done else "somebody had acknowledged it already; nothing changed")
            return 0
        until = snooze_alert(conn, alert.id, hours=options.hours)
    print(f"put away until {_time(until)}" if until else f"it is {alert.state}; nothing changed")
    return 0


def _test(bench: Workbench, options: argparse.Namespace) -> int:
    with bench.transaction() as conn:
        targets = list_targets(conn, [bench.tenant_id])
    rows: list[dict[str, Any]] = []
    for target in targets:
        outcome = "sent"
        try:
            send_alert(
                target.open_url(bench.deps.keyring),
                title="Earshot: a test",
                body="Alerts of this tenant come here.",
                severity="info",
                allow_private=bench.deps.settings.allow_private_urls,
            )
        except AlertSendError as error:
            outcome = error.code
        rows.append({"target": target.name, "outcome": outcome})
    print_rows(rows, as_json=options.json, empty="the tenant has no [[alerts]]")
    return 0 if all(row["outcome"] == "sent" for row in rows) else 1
