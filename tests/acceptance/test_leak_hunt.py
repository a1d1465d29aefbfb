"""No word, number, name or key is where it may not be, whatever goes wrong: every place is searched, after the search has found a planted one there."""

import time

import httpx2
import pytest

from tests.http_receiver import HttpReceiver
from tests.leaks import left_files
from tests.leaks.canaries import found, person, readable, search, secrets
from tests.leaks.database_columns import STRIPPED, columns_elsewhere
from tests.leaks.hunted_stack import PLACES, WORDS, HuntedStack, in_a_column, own_standins
from tests.leaks.misfortunes import live_through, set_up
from tests.leaks.redis_contents import CommandsHeard
from tests.leaks.wire_tap import WireTap
from tests.running_stack import start_stack, stop_stack

CUSTOMER, ERASED, SECRETS = person(1), person(2), secrets(1)
# With workers killed and started anew it takes longer than a test may.
pytestmark = pytest.mark.timeout(400)
SOUGHT = (*CUSTOMER.canaries, *ERASED.canaries, *SECRETS.canaries)
PLANTED = (*person(3).canaries, *secrets(3).canaries)


@pytest.fixture(scope="module")
def hunted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hunt")
    temporary = folder / "tmp"
    temporary.mkdir()
    key = folder / "provider-key"
    key.write_text(SECRETS["provider key"])
    programs = HttpReceiver()
    with own_standins(folder / "standins.json") as standins:
        claude, hubspot = WireTap(standins["anthropic"]), WireTap(standins["hubspot"])
        stack = start_stack(
            folder / "data", LOG_LEVEL="DEBUG", ANTHROPIC_BASE_URL=claude.url, ANTHROPIC_API_KEY_FILE=str(key),
            HUBSPOT_API_URL=hubspot.url, ALLOW_PRIVATE_URLS="true", CANARY_EVERY_S="5", TMPDIR=str(temporary),
        )  # fmt: skip
        commands = CommandsHeard(stack.info["redis_url"])
        hunted = HuntedStack(
            stack, temporary, standins["anthropic"], standins["hubspot"], claude, hubspot, programs, commands
        )
        try:
            set_up(hunted, SECRETS, folder)
            live_through(hunted, customer=CUSTOMER, erased=ERASED, secrets=SECRETS, folder=folder)
            yield hunted
        finally:
            commands.stop()
            assert stop_stack(stack) == 0
            claude.stop()
            hubspot.stop()
            programs.stop()


def wait_until(condition):
    give_up_at = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.2)


def test_everything_went_wrong_that_should(hunted):
    """Else a search that finds nothing would say nothing."""
    rows = hunted.stack.rows
    outcomes = {outcome for (outcome,) in rows("SELECT outcome FROM egress")}
    assert outcomes >= {
        "overloaded_529",
        "provider_error_500",
        "no_connection",
        "bad_request",
        "odd_answer",
        "answered",
    }
    assert any(outcome.startswith("answer_invalid") for outcome in outcomes), outcomes
    for url in (hunted.claude_url, hunted.hubspot_url, hunted.stack.info["standins"]["graph"]):
        wait_until(lambda url=url: httpx2.post(f"{url}/_script", json={"steps": []}).json()["waiting"] == 0)
    assert rows("SELECT error_code FROM run WHERE state = 'dead'") == [("sqlstate_23514",)]
    assert ("send_refund_form", "failed", "graph_131026") in rows("SELECT kind, state, error_code FROM action")
    assert rows("SELECT state FROM customer_erasure") == [("done",)]
    hunted.stack.wait_for("SELECT count(*) > 0 FROM canary WHERE done_at IS NOT NULL", [(True,)])
    wait_until(
        lambda: {one.path.partition("?")[0] for one in hunted.programs.received} >= {"/labels", "/texts", "/alerts"}
    )
    assert b" DEBUG " in left_files.logs(hunted.stack.data, of="worker-analyze")


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_the_search_finds_what_is_planted_and_nothing_else(hunted, place):
    with place.plant(hunted, [canary.value for canary in PLANTED]):
        text = readable(place.read(hunted))
    missed = {canary.kind for canary in PLANTED} - set(search(text, PLANTED))
    assert missed == set(), "the search is blind to these"
    hits = search(text, (*SOUGHT, *hunted.given, *hunted.generated()))
    assert {kind: where for kind, where in hits.items() if kind not in place.may_hold} == {}


def test_a_customers_words_are_in_the_columns_where_they_are_at_home_and_in_no_other(hunted):
    url = hunted.stack.info["database_url"]
    with in_a_column(hunted, [canary.value for canary in PLANTED]):
        values = columns_elsewhere(url)
    held = set(found(values["planted.codes"], PLANTED)) | set(found(values["planted.raw"], PLANTED))
    assert held == {canary.kind for canary in PLANTED}
    hits = {
        name: set(found(value, SOUGHT)) - (WORDS if name in STRIPPED else set())
        for name, value in columns_elsewhere(url).items()
    }
    assert {name: kinds for name, kinds in hits.items() if kinds} == {}


def test_enough_is_sought_in_enough_places():
    assert len({canary.kind for canary in PLANTED}) >= 24
    assert len(PLACES) >= 12
