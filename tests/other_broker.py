"""This process's Celery application on another broker for a while."""

from contextlib import contextmanager

import kombu.pools

from worker.app import app, broker_settings


def _forget_connections() -> None:
    app.pool.force_close_all()
    kombu.pools.reset()
    app._pool = None
    app.__dict__.pop("amqp", None)


@contextmanager
def speaking_to(url: str):
    told = broker_settings(url)
    before = {name: app.conf[name] for name in told}
    app.conf.update(told)
    _forget_connections()
    try:
        yield
    finally:
        app.conf.update(before)
        _forget_connections()
