"""Commands that run to their end while a stack starts."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from devstack.data_dir import DataDir
from devstack.launching import last_lines, launch
from devstack.stack_error import StackError


@contextmanager
def running_once(name: str, argv: tuple[str, ...], *, environ: Mapping[str, str], data: DataDir) -> Generator[None]:
    """Run the command beside the block; at the end of the block it must have succeeded or do so.

    Raises: StackError with the end of its log when it fails, OSError when it cannot be run.
    """
    log = data.logs / f"{name}.log"
    # In our session, so that it is not taken for an orphan.
    process = launch(argv, environ=environ, log=log, cwd=data.run, own_session=False)
    try:
        yield
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if code != 0:
        message = f"{name} failed ({code}); the end of {log}:\n{last_lines(log)}"
        raise StackError(message)


def run_once(name: str, argv: tuple[str, ...], *, environ: Mapping[str, str], data: DataDir) -> None:
    """Run the command and wait for it. Raises: StackError when it fails, OSError when it cannot be run."""
    with running_once(name, argv, environ=environ, data=data):
        pass
