"""Receivers without a broker, for tests that send them what no honest sender would."""

import pytest

from webhook_receiver.app import create_app
from webhook_receiver.publisher import Publisher


@pytest.fixture
def accept_nothing(monkeypatch):
    """No chain is started."""
    monkeypatch.setattr(Publisher, "offer", lambda self, new: None)


@pytest.fixture
def start_receiver():
    """Makes clients of receivers; their connections end with the test."""
    apps = []

    def start(settings):
        apps.append(create_app(settings))
        return apps[-1].test_client()

    yield start
    for app in apps:
        app.extensions["database"].close()


def posted(client, body, header, *, kind="whatsapp", **more):
    """header: X-Hub-Signature-256, None for none, a list for several."""
    signatures = header if isinstance(header, list) else [] if header is None else [header]
    headers = [*more.items(), *(("X-Hub-Signature-256", one) for one in signatures)]
    return client.post(f"/webhooks/{kind}", data=body, headers=headers, content_type="application/json")
