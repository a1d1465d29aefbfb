"""/queues: what waits where, and taking the next."""

from collections.abc import Sequence
from dataclasses import asdict

from flask import Response

from console.api.answers import ClaimedNext, QueueAnswer, QueueLine, QueueList, Work
from console.api.callers import caller
from console.api.paths import new_blueprint
from console.api.requests import Body, QueuePath
from console.api.tenant_queues import check_queue, list_purposes
from console.api.writing import answer, database, do_once
from store.agents import lock_agent
from store.conversation_lists import QueueCount, count_queues
from store.db import Connection
from store.tenants import get_tenant_config
from store.work_items import claim_next, get_work_item

blueprint = new_blueprint("queues", __name__)


@blueprint.get("/queues", summary="Count what waits in each queue", responses={200: QueueList})
def list_queues() -> Response:
    """Open conversations by queue and priority, and since when the oldest waits for a person."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        counts = count_queues(conn, who.tenant_id)
        purposes = list_purposes(get_tenant_config(conn, who.tenant_id))
    # Conversations may still stand in a queue that the tenant has since taken out of its file.
    names = [*purposes, *sorted({one.queue for one in counts} - set(purposes))]
    queues = [_queue(name, purposes.get(name, ""), [one for one in counts if one.queue == name]) for name in names]
    return answer(QueueList(queues=queues).model_dump(mode="json"))


def _queue(name: str, purpose: str, counts: Sequence[QueueCount]) -> QueueAnswer:
    return QueueAnswer(
        queue=name,
        purpose=purpose,
        open=sum(one.open for one in counts),
        unassigned=sum(one.unassigned for one in counts),
        waiting=sum(one.waiting for one in counts),
        snoozed=sum(one.snoozed for one in counts),
        oldest_waiting_since=min(
            (one.oldest_waiting_since for one in counts if one.oldest_waiting_since), default=None
        ),
        priorities=[
            QueueLine(**{field: value for field, value in asdict(one).items() if field != "queue"}) for one in counts
        ],
    )


@blueprint.post("/queues/<queue>/claim-next", summary="Take the next conversation", responses={200: ClaimedNext})
def take_next(path: QueuePath, body: Body) -> Response:
    """By priority, then the one that waits longest. Two who ask at once get different ones; null when nothing is left."""
    del body
    who = caller()

    def work(conn: Connection) -> ClaimedNext:
        check_queue(conn, who.tenant_id, path.queue, field="queue")
        user_id = who.person()
        lock_agent(conn, who.tenant_id, user_id)
        taken = claim_next(conn, who.tenant_id, queue=path.queue, user_id=user_id, actor=who.actor)
        if taken is None:
            return ClaimedNext(conversation=None)
        item = get_work_item(conn, who.tenant_id, taken)
        return ClaimedNext(conversation=Work.of_item(conn, who.tenant_id, item))

    return do_once(work)
