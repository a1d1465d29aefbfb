"""Where a conversation stands once a person has answered the message that placed it."""

from routing.place import Claim, highest
from store.customers import Placing, lock_conversation, place_conversation
from store.db import Connection
from store.open_places import DecidedPlace, list_decided_places


def leave_answered_place(conn: Connection, conversation_id: str) -> DecidedPlace | None:
    """Put an open conversation where it would stand had the answer come before the messages that are newer; None when it stays.

    Nothing is decided anew and nothing fires. Raises: StoreError to be tried again when it was merged a moment ago.
    """
    conversation = lock_conversation(conn, conversation_id)
    answered_at, standing_at = conversation.last_human_answer_at, conversation.routed_sent_at
    if conversation.state != "open" or answered_at is None or standing_at is None or answered_at < standing_at:
        return None
    places = {one.message_id: one for one in list_decided_places(conn, conversation_id)}
    claims = (Claim(one.priority, one.sent_at, one.message_id) for one in places.values())
    chosen = highest(claims, answered_at=answered_at)
    if chosen is None or chosen.message_id == conversation.routed_message_id:
        return None
    place = places[chosen.message_id]
    placing = Placing(
        conversation_id,
        queue=place.queue,
        priority=place.priority,
        message_id=place.message_id,
        sent_at=place.sent_at,
    )
    place_conversation(conn, placing)
    return place
