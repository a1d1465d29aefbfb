"""gunicorn's configuration for the receiver (`--config python:webhook_receiver.preloading`): its code is read once, by the process that forks.

Each worker would take a second of processor to import it, just when all of them start again; and until then the kernel takes in connections
that nobody answers. Read before the port is opened, it is shared memory, and a sender is told at once to come again.
"""

# gevent's worker patches everything after its fork; locks and sockets made while modules are read, and what these import by name, must be
# gevent's already. What remains is what gunicorn's own process goes by: signals, children, and the queue between them.
from gevent import monkey

monkey.patch_all(os=False, signal=False, subprocess=False, queue=False)

import gc  # noqa: E402
import warnings  # noqa: E402
from importlib import import_module  # noqa: E402

# The worker's patching is the rest of this one, which is meant.
warnings.filterwarnings("ignore", category=monkey.MonkeyPatchWarning)


def on_starting(server: object) -> None:  # noqa: ARG001 -- gunicorn's name and form
    """Before the port is opened. Only modules: connections, threads and settings are each worker's own."""
    import_module("webhook_receiver.app")
    # What is there now is never looked at by a collection again, which would copy the pages it touches.
    gc.collect()
    gc.freeze()
