"""Receivers without a broker, for tests that send them what no honest sender would."""

import pytest

from webhook_receiver.publisher import Publisher


@pytest.fixture
def accept_nothing(monkeypatch):
    """No chain is started."""
    monkeypatch.setattr(Publisher, "offer", lambda self, new: None)


def posted(client, body, header, *, kind="whatsapp", **more):
    """header: X-Hub-Signature-256, None for none, a list for several."""
    signatures = header if isinstance(header, list) else [] if header is None else [header]
    headers = [*more.items(), *(("X-Hub-Signature-256", one) for one in signatures)]
    return client.post(f"/webhooks/{kind}", data=body, headers=headers, content_type="application/json")
