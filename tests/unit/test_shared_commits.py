"""Requests that come together are stored together; each hears what became of its own."""

import subprocess
import sys
import threading
from functools import partial

import pytest

from store.db import StoreError
from webhook_receiver import shared_commits
from webhook_receiver.shared_commits import MOST, SharedCommits


class Store:
    """Remembers batches; holds them while it is shut; refuses a batch with what is bad."""

    def __init__(self):
        self.batches, self.open, self.begun = [], threading.Event(), threading.Semaphore(0)
        self.bad, self.error = set(), StoreError("sqlstate_22P05", permanent=True)
        self.open.set()

    def __call__(self, shares):
        self.begun.release()
        assert self.open.wait(20)
        if self.bad & set(shares):
            raise self.error
        self.batches.append(list(shares))


def put_all(commits, shares):
    told = {}

    def one(share):
        try:
            commits.put(share)
        except StoreError as error:
            told[share] = error.code
        else:
            told[share] = "stored"

    threads = [threading.Thread(target=one, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    return threads, told


def gathered(commits, store, shares):
    """Puts the shares while commits are under way, so that all of them wait; returns what each was told."""
    store.open.clear()
    first, told_first = put_all(commits, ["first"])
    for _ in first:
        assert store.begun.acquire(timeout=20)
    rest, told = put_all(commits, shares)
    while len(commits._waiting) < len(shares):
        threading.Event().wait(0.005)
    store.open.set()
    for thread in [*first, *rest]:
        thread.join(20)
    assert set(told_first.values()) == {"stored"}
    return told


def test_one_that_comes_alone_is_stored_alone():
    store = Store()
    commits = SharedCommits(store)
    commits.put("a")
    commits.put("b")
    assert store.batches == [["a"], ["b"]]


def test_those_that_come_meanwhile_are_stored_by_one_commit():
    store = Store()
    told = gathered(SharedCommits(store), store, [f"m{n}" for n in range(30)])
    assert set(told.values()) == {"stored"}
    assert list(map(len, store.batches)) == [1, 30]


def test_a_commit_takes_so_many_and_the_next_one_the_rest():
    store = Store()
    told = gathered(SharedCommits(store), store, range(MOST + 5))
    assert set(told.values()) == {"stored"}
    assert sorted(map(len, store.batches))[-1] == MOST
    assert sorted(share for batch in store.batches for share in batch if isinstance(share, int)) == list(
        range(MOST + 5)
    )


def test_what_postgres_does_not_take_is_its_own_senders_trouble_alone():
    store = Store()
    store.bad = {"m3"}
    told = gathered(SharedCommits(store), store, [f"m{n}" for n in range(6)])
    assert told == {f"m{n}": "sqlstate_22P05" if n == 3 else "stored" for n in range(6)}


def test_when_postgres_is_away_everybody_hears_it_at_once():
    store = Store()
    store.bad, store.error = {"m3"}, StoreError("no_connection", permanent=False)
    told = gathered(SharedCommits(store), store, [f"m{n}" for n in range(6)])
    assert set(told.values()) == {"no_connection"}
    assert len(store.batches) == 1


# As gunicorn's worker runs it: greenlets, of which one that does not wait stops all others.
GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, sys
from webhook_receiver import shared_commits
from webhook_receiver.shared_commits import SharedCommits
batches = []
commits = SharedCommits(lambda shares: (gevent.sleep(0.002), batches.append(len(shares))))
for number in range(1, 60):
    puts = [gevent.spawn(commits.put, n) for n in range(number)]
    gevent.joinall(puts, raise_error=True)
assert batches == list(range(1, 60)), batches
"""


def test_any_number_of_greenlets_at_once_comes_through_in_one_commit():
    done = subprocess.run([sys.executable, "-c", GREENLETS], timeout=60, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Deadline(BaseException):
    """As gevent raises it where a request waits."""


def test_a_deadline_strikes_one_request_and_another_commits_for_the_rest():
    store = Store()

    def struck(shares):
        if "mine" in shares and len(shares) > 1:
            raise Deadline
        store(shares)

    commits = SharedCommits(struck)
    store.open.clear()
    first, _ = put_all(commits, ["first"])
    for _ in first:
        assert store.begun.acquire(timeout=20)
    outcome = []

    def mine():
        with pytest.raises(Deadline):
            commits.put("mine")
        outcome.append("struck")

    thread = threading.Thread(target=mine)
    thread.start()
    while not commits._waiting:
        threading.Event().wait(0.005)
    other = threading.Thread(target=commits.put, args=["other"])
    other.start()
    while len(commits._waiting) < 2:
        threading.Event().wait(0.005)
    store.open.set()
    for one in (thread, other, *first):
        one.join(20)
        assert not one.is_alive()
    assert outcome == ["struck"] and store.batches[-1] == ["other"]
    commits.put("next")
    assert store.batches[-1] == ["next"]


def test_one_that_is_struck_while_it_waits_is_taken_by_nobody():
    store = Store()
    commits = SharedCommits(store)
    store.open.clear()
    first, _ = put_all(commits, ["first"])
    for _ in first:
        assert store.begun.acquire(timeout=20)
    given_up = threading.Event()

    class Struck(threading.Event):
        def wait(self, timeout=None):
            given_up.wait(20)
            raise Deadline

    def late():
        with pytest.raises(Deadline):
            commits.put("late")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_commits, "_Waiting", partial(shared_commits._Waiting, woken=Struck()))
        thread = threading.Thread(target=late)
        thread.start()
        while not commits._waiting:
            threading.Event().wait(0.005)
    given_up.set()
    thread.join(20)
    store.open.set()
    for one in first:
        one.join(20)
    commits.put("next")
    assert not any("late" in batch for batch in store.batches) and store.batches[-1] == ["next"]
