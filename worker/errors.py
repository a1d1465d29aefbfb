"""The one error steps raise towards Celery, and where an unknown one came from."""


class StepError(Exception):
    """A step did not finish. The text is a code: Celery logs it and Flower shows it.

    permanent: no retry; the run is parked as dead. retry_after_s: how long to wait before the next try.
    """

    def __init__(self, code: str, *, permanent: bool, retry_after_s: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.permanent = permanent
        self.retry_after_s = retry_after_s


def innermost_frame(error: Exception) -> str:
    """File and line of the innermost frame: enough to find a bug without its values."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else ""
