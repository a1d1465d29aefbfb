"""What a webhook looks like and how a receiver checks it, for the page and the documentation."""

from datetime import UTC, datetime

from routing.webhook_events import DecidedData, Label, MessageDecided, PlannedAction

SAMPLE = MessageDecided(
    timestamp=datetime(2026, 11, 24, 12, 0, 3, tzinfo=UTC),
    data=DecidedData(
        message_id="01990000-0000-7000-8000-000000000001",
        conversation_id="01990000-0000-7000-8000-000000000002",
        customer_id="01990000-0000-7000-8000-000000000003",
        channel="whatsapp",
        surface="dm",
        sent_at=datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC),
        decision_id="01990000-0000-7000-8000-000000000004",
        analysis_id="01990000-0000-7000-8000-000000000005",
        priority="P1",
        queue="senior",
        rule="negative_refund_request",
        reasons=["Negative (0.93) with a refund request."],
        tags=["late"],
        skill=None,
        applied=True,
        actions=[PlannedAction(kind="send_refund_form", state="pending")],
        label=Label(
            sentiment="negative", score=0.93, intent="refund_request", topics=["refund"], language="en", corrected=[]
        ),
    ),
).model_dump_json(indent=2)

VERIFY = """\
import base64, hashlib, hmac, time


def is_ours(headers, body: bytes, secret: str) -> bool:
    if abs(time.time() - int(headers["webhook-timestamp"])) > 300:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(one, expected) for one in headers["webhook-signature"].split(" "))
"""
