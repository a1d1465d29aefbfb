"""`python -m devstack.standins`: all stand-ins in one process, one port each."""

# ruff: noqa: E402 -- gevent must patch before anything imports sockets
from gevent import monkey

monkey.patch_all()

import argparse
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import gevent
import gevent.event
from gevent import pywsgi
from gevent.pywsgi import WSGIHandler, WSGIServer

from devstack.standins.claude import Claude
from devstack.standins.graph import Graph
from devstack.standins.hubspot import HubSpot
from devstack.standins.pipedrive import Pipedrive
from devstack.standins.recording import StandIn
from devstack.standins.salesforce import Salesforce
from devstack.standins.zoho import Zoho


class _Handler(WSGIHandler):
    """Lets an application drop its connection, which WSGI has no word for."""

    def handle(self) -> Any:
        # Header and body are two writes; without this the second waits for the client's delayed acknowledgement (40 ms).
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return super().handle()

    def get_environ(self) -> Any:
        environ = super().get_environ()
        environ["standin.socket"] = self.socket
        return environ


# Salesforce takes addresses of twice the length that gevent does, and says itself when one is too long.
setattr(pywsgi, "MAX_REQUEST_LINE", 32_768)  # noqa: B010 -- its type stub does not name it


def _serve(application: StandIn, port: int) -> WSGIServer:
    server = WSGIServer(("127.0.0.1", port), application, handler_class=_Handler, log=None, backlog=1024)
    server.start()
    return server


def _write_atomically(path: Path, urls: dict[str, str]) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(urls), encoding="utf-8")
    temporary.replace(path)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m devstack.standins", description=__doc__)
    parser.add_argument("--anthropic-port", type=int, default=0)
    parser.add_argument("--graph-port", type=int, default=0)
    parser.add_argument("--hubspot-port", type=int, default=0)
    parser.add_argument("--zoho-port", type=int, default=0)
    parser.add_argument("--pipedrive-port", type=int, default=0)
    parser.add_argument("--salesforce-port", type=int, default=0)
    parser.add_argument("--anthropic-latency-s", type=float, default=0.0)
    parser.add_argument("--ports-file", type=Path, help="gets the base URLs as JSON once all of them listen")
    parser.add_argument("--accounts-file", type=Path, help="where accounts that get webhooks survive a restart")
    parser.add_argument("--receiver-url", help="where webhooks go, whatever an account said when it was registered")
    options = parser.parse_args()
    stopped = gevent.event.Event()
    gevent.signal_handler(signal.SIGTERM, stopped.set)
    gevent.signal_handler(signal.SIGINT, stopped.set)
    servers = {
        "anthropic": _serve(Claude(latency_s=options.anthropic_latency_s), options.anthropic_port),
        "graph": _serve(
            Graph(accounts_file=options.accounts_file, receiver_url=options.receiver_url), options.graph_port
        ),
        "hubspot": _serve(HubSpot(), options.hubspot_port),
        "zoho": _serve(Zoho(), options.zoho_port),
        "pipedrive": _serve(Pipedrive(), options.pipedrive_port),
        "salesforce": _serve(Salesforce(), options.salesforce_port),
    }
    urls = {name: f"http://127.0.0.1:{server.server_port}" for name, server in servers.items()}
    if options.ports_file:
        _write_atomically(options.ports_file, urls)
    else:
        print(json.dumps(urls), flush=True)
    stopped.wait()
    for server in servers.values():
        server.close()
    os._exit(0)  # requests that still sleep on purpose need no waiting for


if __name__ == "__main__":
    main()
