"""Posts the sample webhooks as Meta does: one after another, again when they are not taken."""

import time
import urllib.error
import urllib.request
from collections.abc import Sequence

from devstack.samples.traffic import Webhook

TRIES = 3
HTTP_OK = 200


def post(webhook: Webhook, *, receiver_url: str) -> int:
    """The status of one POST; 0 when nothing answered."""
    request = urllib.request.Request(
        f"{receiver_url}/webhooks/{webhook.kind}",
        data=webhook.body,
        headers={"Content-Type": "application/json", "X-Hub-Signature-256": webhook.signature},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def play(webhooks: Sequence[Webhook], *, receiver_url: str) -> int:
    """Post all of them. Returns how many were never taken."""
    refused = 0
    for webhook in webhooks:
        for attempt in range(TRIES):
            if post(webhook, receiver_url=receiver_url) == HTTP_OK:
                break
            time.sleep(0.5 * 2**attempt)
        else:
            refused += 1
    return refused
