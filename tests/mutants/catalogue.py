"""Faults to plant: a change of the code that breaks a promise, and the cheapest tests that must notice."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """old: stands once in `path`, and becomes `new`. tests: one of them must fail."""

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]


_RECEIVER, _PIPELINE = "tests/integration/test_receiver.py", "tests/integration/test_pipeline.py"
_PROMISES, _SUSPECTS = "tests/integration/test_promises.py", "tests/integration/test_suspects.py"
_DATABASE, _REPLIES = "tests/integration/test_database.py", "tests/integration/test_console_reply.py"
_LEASE = """lease_until = {until}, crashes = crashes + 1,
    gathers_until = NULL
\"\"\"


def _lease() -> dict[str, object]:
    return {"lease_s": {given}}"""

MUTANTS = (
    Mutant(
        "acknowledged although not stored",
        "webhook_receiver/posts.py",
        'return 503, b"not stored; try again\\n"',
        "return STORED",
        (f"{_RECEIVER}::test_without_postgres_the_answer_is_503_within_three_seconds",),
    ),
    Mutant(
        "the broker stands between storing and the answer",
        "webhook_receiver/publisher.py",
        "        self._ensure_thread()\n        for run in runs:",
        "        start_all(runs)\n        for run in runs:",
        (f"{_RECEIVER}::test_without_a_broker_the_message_is_stored_and_answered_200",),
    ),
    Mutant(
        "two requests share a connection",
        "store/db.py",
        "            begun = self._begin(pool, begin)\n            conn, connected = begun.connection, True\n            try:\n"
        "                with conn:\n",
        "            conn = self.__dict__.setdefault('_shared', None) or pool.getconn()\n"
        "            self.__dict__['_shared'], connected = conn, True\n"
        "            pool = type('Never', (), {'putconn': lambda *_: None})()\n            try:\n"
        "                with conn.transaction():\n"
        "                    begun = begin(conn)\n",
        (f"{_PROMISES}::test_what_one_request_commits_no_neighbours_failure_takes_back",),
    ),
    Mutant(
        "synchronous_commit is off",
        "store/db.py",
        '"-c synchronous_commit=on ',
        '"-c synchronous_commit=off ',
        (f"{_DATABASE}::test_commits_are_durable_in_every_session",),
    ),
    Mutant(
        "no unique key",
        "store/migrations/0001_spine.sql",
        "    PRIMARY KEY (tenant_id, account_id, key)\n",
        "    CHECK (tenant_id > 0)\n",
        (f"{_RECEIVER}::test_duplicates_add_nothing_inside_a_body_and_across_bodies",),
    ),
    Mutant(
        "the tenant is missing in the key",
        "store/migrations/0001_spine.sql",
        "    PRIMARY KEY (tenant_id, account_id, key)\n",
        "    PRIMARY KEY (key)\n",
        (f"{_RECEIVER}::test_the_same_provider_id_of_two_tenants_is_two_messages",),
    ),
    Mutant(
        "any tenant's secret opens every account",
        "webhook_receiver/shares.py",
        "if account is None or secret not in account.app_secrets:\n                DROPPED",
        "if account is None:\n                DROPPED",
        (f"{_RECEIVER}::test_a_tenant_cannot_forge_messages_of_another_with_its_own_secret",),
    ),
    Mutant(
        "no reconciler",
        "worker/reconcile.py",
        "    for run in due:\n",
        "    for run in due[:0]:\n",
        (f"{_PROMISES}::test_what_has_no_live_lease_is_started_again_from_its_state",),
    ),
    Mutant(
        "no fence, and stages run twice",
        "worker/stage.py",
        "    if run.state == expected:\n",
        "    if run.state != 'dead':\n",
        (f"{_PIPELINE}::test_every_stage_run_twice_changes_nothing",),
    ),
    Mutant(
        "a live lease keeps nobody away",
        "worker/analyze_step.py",
        "        if run.leased or run.gathers:  # somebody was faster\n            return Next.STOP\n        if run.crashes",
        "        if run.gathers:\n            return Next.STOP\n        if run.crashes",
        (f"{_PIPELINE}::test_a_live_lease_keeps_a_second_worker_away",),
    ),
    Mutant(
        "an answer is stored after its lease was lost",
        "store/runs.py",
        "        WHERE id = %s AND state = 'minimized' AND lease_token = %s\n",
        "        WHERE id = %s AND state = 'minimized' AND %s::text IS NOT NULL\n",
        (f"{_PIPELINE}::test_an_answer_that_comes_after_its_lease_was_lost_is_not_stored",),
    ),
    Mutant(
        "leases by the worker's own clock",
        "store/runs.py",
        _LEASE.replace("{until}", "clock_timestamp() + make_interval(secs => %(lease_s)s)").replace("{given}", "LEASE_S"),
        _LEASE.replace("{until}", "to_timestamp(%(lease_s)s)").replace("{given}", '__import__("time").time() + LEASE_S'),
        (f"{_PROMISES}::test_a_lease_ends_by_postgres_clock_however_wrong_ours_is",),
    ),
    Mutant(
        "an interrupted reply is blindly sent again",
        "store/actions.py",
        "THEN 'pending' ELSE 'uncertain' END",
        "THEN 'pending' ELSE 'pending' END",
        (f"{_PIPELINE}::test_a_worker_killed_in_mid_send_leaves_a_doubt_not_a_second_send",),
    ),
    Mutant(
        "a reply without an answer is sent again",
        "worker/delivery.py",
        "    elif failure.uncertain:\n",
        "    elif failure.uncertain and failure.account_blocked:\n",
        (f"{_PIPELINE}::test_a_send_that_may_have_arrived_is_never_repeated",),
    ),
    Mutant(
        "what is being sent is marked only afterwards",
        "worker/delivery.py",
        "    if departure is not None:\n        _send(deps, action, departure, now=now)\n",
        "        if departure is not None:\n            _send(deps, action, departure, now=now)\n",
        (f"{_REPLIES}::test_killed_between_sending_and_settling_is_in_doubt_and_never_sent_again",),
    ),
    Mutant(
        "nothing is minimized",
        "worker/steps.py",
        "return MinimizedWords(minimized.text,",
        "return MinimizedWords(text,",
        (f"{_PIPELINE}::test_only_stripped_text_reaches_the_provider_and_the_ledger_shows_it",),
    ),
    Mutant(
        "the CRM's count is added to, never computed",
        "store/crm_labels.py",
        "AND sent_at > now() - make_interval(days => %s)",
        "AND %s > 0",
        ("tests/integration/test_crm_turns.py::test_an_unchanged_card_is_not_written_and_a_count_falls_by_itself",),
    ),
    Mutant(
        "the poison counter counts a provider's outages",
        "store/runs.py",
        "            crashes = CASE WHEN %s THEN crashes ELSE 0 END\n",
        "            crashes = CASE WHEN %s THEN crashes ELSE crashes END\n",
        (f"{_PIPELINE}::test_a_provider_error_leaves_the_run_to_be_tried_again_and_counts_no_crash",),
    ),
    Mutant(
        "a poison message buries its neighbours",
        "store/suspects.py",
        "AT_ONCE = {2: 16, 3: 4, 4: 1}",
        "AT_ONCE = {2: 100, 3: 100, 4: 100}",
        (f"{_SUSPECTS}::test_of_thirty_only_the_one_that_kills_its_worker_is_ever_given_up",),
    ),
    Mutant(
        "a paid answer is thrown away when Postgres restarts",
        "worker/answer_storing.py",
        "STORE_TRIES, STORE_AGAIN_S = 8, 1.0",
        "STORE_TRIES, STORE_AGAIN_S = 1, 1.0",
        (f"{_SUSPECTS}::test_an_answer_that_is_paid_is_stored_although_postgres_was_away",),
    ),
    Mutant(
        "a second look fires automations",
        "worker/routing_step.py",
        'allow_actions=run.kind == "initial" and not around.has_newer_run,',
        "allow_actions=True,",
        ("tests/integration/test_reanalyze.py::test_a_second_look_that_reads_something_else_messages_nobody",),
    ),
    Mutant(
        "one broker error ends the publisher",
        "webhook_receiver/publisher.py",
        "        except Exception as error:  # noqa: BLE001",
        "        except OSError as error:  # noqa: BLE001",
        ("tests/integration/test_publisher.py",),
    ),
)  # fmt: skip
