"""gunicorn's configuration for the console (`--config python:console.stopping`): a worker that is told to stop ends its open pages' streams.

It lets requests finish, and the stream of an open page never does: each restart would take the whole of `--graceful-timeout`, in which the
port is closed to everybody. The pages come again by themselves within seconds, to whoever answers then.
"""

from typing import Any


def post_worker_init(worker: Any) -> None:
    """Once the application is made. The name is gunicorn's."""
    worker.wsgi.extensions["live_pages"].last_while(lambda: worker.alive)
