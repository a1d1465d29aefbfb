"""The one error steps raise towards Celery."""


class StepError(Exception):
    """A step did not finish. The text is a code: Celery logs it and Flower shows it.

    permanent: no retry; the run is parked as dead. retry_after_s: how long to wait before the next try.
    """

    def __init__(self, code: str, *, permanent: bool, retry_after_s: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.permanent = permanent
        self.retry_after_s = retry_after_s
