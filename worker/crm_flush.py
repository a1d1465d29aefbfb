"""One worker's turn with one tenant's CRM: notes and tasks, cards, searches and erasures that are due."""

import random
import time
from collections.abc import Callable

from config.crash_points import crash_point
from crm_sync.base import CrmError
from store.crm_connections import (
    CrmConnection,
    end_turn,
    find_connection,
    has_turn,
    hold_longer,
    take_turn,
)
from store.db import StoreError
from worker.crm_cards import write_cards
from worker.crm_erasing import erase_cards
from worker.crm_outbox import deliver_events
from worker.crm_search import search_people
from worker.crm_seats import SEATS
from worker.crm_session import CrmSession, note_trouble, note_working, open_session, provision_once
from worker.deps import Deps

# Then the next task goes on, so that stopping a worker never waits long.
TURN_S = 20.0
# A CRM in trouble for which no thread may be spared is tried this much later, not all of them at once.
NO_SEAT_S = (1.0, 4.0)
# What an agent waits for goes first. Each does one batch and says how many rows it brought further.
STEPS: tuple[Callable[[CrmSession], int], ...] = (deliver_events, write_cards, search_people, erase_cards)


def flush_crm(deps: Deps, *, tenant_id: int) -> None:
    """Deliver what is due, unless another worker is at it. Whatever is not delivered keeps its row and comes again.

    Raises: StoreError.
    """
    with deps.database.tenant_transaction(tenant_id) as conn:
        token = take_turn(conn, tenant_id)
        connection = find_connection(conn, tenant_id, keyring=deps.keyring) if token else None
    if token is None or connection is None:
        return
    crash_point("crm.after_turn")
    is_troubled = connection.tries > 0
    with deps.leases.keep(token), SEATS.seat(connection.kind, is_troubled=is_troubled) as has_seat:
        try:
            if has_seat:
                _deliver_or_note(deps, tenant_id, connection, token=token)
        finally:
            with deps.database.tenant_transaction(tenant_id) as conn:
                if is_troubled and not has_seat:
                    hold_longer(conn, tenant_id, seconds=random.uniform(*NO_SEAT_S))  # noqa: S311
                end_turn(conn, tenant_id, token=token)


def _deliver_or_note(deps: Deps, tenant_id: int, connection: CrmConnection, *, token: str) -> None:
    try:
        _deliver(deps, tenant_id, connection, token=token)
    except CrmError as error:
        note_trouble(deps, tenant_id, connection, error)
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 -- a bug must not ask the CRM anew each second; its text may quote the customer
        trouble = CrmError(f"bug_{type(error).__name__}", permanent=False)
        note_trouble(deps, tenant_id, connection, trouble)


def _deliver(deps: Deps, tenant_id: int, connection: CrmConnection, *, token: str) -> None:
    session = open_session(deps, tenant_id, connection)
    provision_once(session)
    until = time.monotonic() + TURN_S
    moved = True
    while moved and time.monotonic() < until:
        moved = False
        for step in STEPS:
            with deps.database.tenant_transaction(tenant_id) as conn:
                if not has_turn(conn, tenant_id, token=token):
                    return
            moved = bool(step(session)) or moved
    note_working(session)
