"""Asking: tries, waits, and when a run ends before its file does. No clock of the machine's, no network."""

import threading

import pytest

from analysis.base import AnalysisError, Usage
from analysis.evaluation_file import Case
from analysis.evaluation_report import Reading
from analysis.evaluation_run import Questioner

READING = Reading("negative", "other", 0.9, (), False, "m", "v", "h")
SPENT = Usage(1, 2, 3, 4, 5)


class Provider:
    """Gives prepared answers in turn, by message id; an answer when there are none left."""

    def __init__(self, **failures):
        self.failures = {name: list(steps) for name, steps in failures.items()}
        self.asked = []
        self.waits = []
        self.now = 0.0
        self.lock = threading.Lock()

    def ask(self, case):
        with self.lock:
            self.asked.append(case.id)
            self.now += 0.25
            steps = self.failures.get(case.id) or self.failures.get("every", [])
            step = steps[0] if case.id not in self.failures and steps else steps.pop(0) if steps else None
        if isinstance(step, BaseException):
            raise step
        return READING, SPENT

    def pause(self, stop, seconds):
        self.waits.append(seconds)
        return stop.is_set()

    def run(self, count, *, concurrency=1, **more):
        cases = [Case(line=number, id=f"m{number}", text="x", sentiment="negative") for number in range(1, count + 1)]
        questioner = Questioner(self.ask, clock=lambda: self.now, pause=self.pause)
        return questioner.ask_all(cases, concurrency=concurrency, **more)


def failed(code="overloaded_529", *, permanent=False, retry_after_s=None, down=True, usage=None):
    return AnalysisError(code, permanent=permanent, retry_after_s=retry_after_s, provider_down=down, usage=usage)


def test_answers_come_in_the_order_of_the_file():
    told = []
    asked = Provider().run(20, concurrency=8, told=told.append)
    assert [outcome.case.line for outcome in asked.outcomes] == list(range(1, 21))
    assert (asked.not_asked, asked.stopped, told) == (0, None, list(range(1, 21)))


def test_a_passing_failure_is_asked_again_and_paid_for():
    provider = Provider(m1=[failed("answer_not_json", down=False, usage=SPENT), failed(retry_after_s=7.0)])
    (outcome,) = provider.run(1).outcomes
    assert (outcome.reading, outcome.failure, outcome.tries) == (READING, None, 3)
    assert outcome.usage == Usage(2, 4, 6, 8, 10)
    assert outcome.latency_ms == 250.0
    assert provider.waits == [1.0, 7.0]


def test_three_retries_are_all():
    provider = Provider(m1=[failed(down=False)] * 9)
    asked = provider.run(2)
    assert (asked.outcomes[0].failure, asked.outcomes[0].tries) == ("overloaded_529", 4)
    assert asked.outcomes[0].latency_ms is None
    assert asked.outcomes[1].reading and asked.stopped is None
    assert provider.waits == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("failure", "tries"),
    [
        (failed(permanent=True), 1),
        (failed(retry_after_s=31), 1),
        (failed(retry_after_s=30.0), 2),
        (failed(retry_after_s=0), 2),
    ],
)
def test_permanent_failures_and_long_waits_are_not_tried_again(failure, tries):
    (outcome,) = Provider(m1=[failure]).run(1).outcomes
    assert outcome.tries == tries


def test_five_in_a_row_without_the_provider_end_the_run():
    asked = Provider(every=[failed("key_refused_401", retry_after_s=60.0)]).run(20)
    assert [outcome.failure for outcome in asked.outcomes] == ["key_refused_401"] * 5
    assert asked.not_asked == 15
    assert asked.stopped == "5 messages in a row failed because the provider is down"


def test_side_by_side_the_calls_under_way_are_still_counted():
    asked = Provider(every=[failed("key_refused_401", retry_after_s=60.0)]).run(40, concurrency=8)
    assert 5 <= len(asked.outcomes) <= 20 and asked.not_asked == 40 - len(asked.outcomes)
    assert asked.stopped


def test_an_answer_between_failures_lets_the_run_go_on():
    down = [failed(retry_after_s=60.0)]
    provider = Provider(**{f"m{number}": list(down) for number in (1, 2, 3, 4, 6, 7, 8, 9)})
    asked = provider.run(10)
    assert len(asked.outcomes) == 10 and asked.stopped is None


def test_failures_of_the_message_never_end_the_run():
    asked = Provider(every=[failed("refused", permanent=True, down=False)]).run(12)
    assert len(asked.outcomes) == 12 and asked.stopped is None


def test_ctrl_c_keeps_what_is_known():
    def told(done):
        if done == 3:
            raise KeyboardInterrupt

    asked = Provider().run(10, told=told)
    assert (len(asked.outcomes), asked.not_asked, asked.stopped) == (3, 7, "interrupted")


def test_nobody_waits_for_another_try_once_the_run_ends():
    provider = Provider(m1=[failed(retry_after_s=60.0)] * 9, m2=[failed(retry_after_s=5.0)] * 9)
    waiting = threading.Event()

    def pause(stop, seconds):
        waiting.set()
        return stop.wait(20)

    def told(_done):
        assert waiting.wait(20)
        raise KeyboardInterrupt

    provider.pause = pause
    asked = provider.run(2, concurrency=2, told=told)
    assert asked.stopped == "interrupted" and provider.asked.count("m2") == 1


def test_a_bug_is_no_failure_of_the_analyzer():
    with pytest.raises(ZeroDivisionError):
        Provider(m1=[ZeroDivisionError()]).run(3)


def test_no_messages_no_calls():
    assert Provider().run(0).outcomes == ()
