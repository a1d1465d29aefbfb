"""Asking an analyzer about every message of a file: side by side, failed calls again, and an end when the provider is down."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from analysis.base import AnalysisError, Usage
from analysis.evaluation_file import Case
from analysis.evaluation_report import Outcome, Reading

MAX_TRIES = 4
MAX_WAIT_S = 30.0
FIRST_WAIT_S = 1.0
DOWN_IN_A_ROW = 5

Ask = Callable[[Case], tuple[Reading, Usage]]
"""Ask once. Raises: AnalysisError."""


@dataclass(frozen=True)
class Asked:
    """Outcomes in the file's order. not_asked: messages left when the run stopped early. stopped: why, None at the end of the file."""

    outcomes: tuple[Outcome, ...]
    not_asked: int
    stopped: str | None


@dataclass(frozen=True)
class _Try:
    outcome: Outcome
    provider_down: bool


class Questioner:
    """Asks each message, up to four times unless the failure is permanent.

    clock: monotonic seconds. pause: waits so many seconds, or less once its event is set, and says whether it is set.
    """

    def __init__(
        self, ask: Ask, *, clock: Callable[[], float], pause: Callable[[threading.Event, float], bool]
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._pause = pause
        self._stop = threading.Event()

    def ask_all(
        self, cases: Sequence[Case], *, concurrency: int, told: Callable[[int], object] = lambda _: None
    ) -> Asked:
        """Every message. told: called with how many are done.

        Five messages in a row that fail because the provider is down end the run, and so does Ctrl-C: what is known then is kept.
        """
        done: dict[int, Outcome] = {}
        stopped: str | None = None
        with ThreadPoolExecutor(max_workers=concurrency) as pool:
            results = self._results(pool, cases, concurrency=concurrency)
            try:
                down = 0
                for position, result in results:
                    done[position] = result.outcome
                    told(len(done))
                    down = down + 1 if result.provider_down else 0
                    if down >= DOWN_IN_A_ROW and not stopped:
                        stopped = f"{DOWN_IN_A_ROW} messages in a row failed because the provider is down"
                        self._stop.set()
            except KeyboardInterrupt:
                stopped = "interrupted"
            finally:  # whoever waits for another try must not hold up the end
                self._stop.set()
        outcomes = tuple(done[position] for position in sorted(done))
        return Asked(outcomes, len(cases) - len(outcomes), stopped)

    def _results(
        self, pool: ThreadPoolExecutor, cases: Sequence[Case], *, concurrency: int
    ) -> Iterator[tuple[int, _Try]]:
        """Results as they come, with the message's position; no new message is begun once the run is to stop."""
        left = iter(enumerate(cases))
        running: dict[Future[_Try], int] = {}
        while True:
            while len(running) < concurrency and not self._stop.is_set():
                following = next(left, None)
                if following is None:
                    break
                running[pool.submit(self._ask_until_answered, following[1])] = following[0]
            if not running:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(finished, key=lambda one: running[one]):
                yield running.pop(future), future.result()

    def _ask_until_answered(self, case: Case) -> _Try:
        usage = Usage()
        tries = 0
        while True:
            tries += 1
            started = self._clock()
            try:
                reading, spent = self._ask(case)
            except AnalysisError as error:
                usage = add_usage(usage, error.usage or Usage())
                wait_s = _wait_s(error, tries=tries)
                if wait_s is None or self._pause(self._stop, wait_s):
                    return _Try(Outcome(case, None, error.code, usage, None, tries), error.provider_down)
            else:
                latency_ms = (self._clock() - started) * 1000
                return _Try(Outcome(case, reading, None, add_usage(usage, spent), latency_ms, tries), False)


def _wait_s(error: AnalysisError, *, tries: int) -> float | None:
    """Seconds until the next try; None for none. Whoever asks for more than half a minute is not asked again."""
    asked_s = error.retry_after_s if error.retry_after_s is not None else FIRST_WAIT_S * 2 ** (tries - 1)
    return None if error.permanent or tries >= MAX_TRIES or asked_s > MAX_WAIT_S else asked_s


def add_usage(one: Usage, other: Usage) -> Usage:
    """Both together."""
    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cached_tokens=one.cached_tokens + other.cached_tokens,
        cache_write_tokens=one.cache_write_tokens + other.cache_write_tokens,
        cost_microusd=one.cost_microusd + other.cost_microusd,
    )
