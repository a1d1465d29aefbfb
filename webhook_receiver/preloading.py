"""gunicorn's configuration for the receiver (`--config python:webhook_receiver.preloading`): its code is read once, by the process that forks.

Each worker would take a second of processor to import it, just when all of them start again; and until then the kernel takes in connections
that nobody answers. Read before the port is opened, it is shared memory, and a sender is told at once to come again.
"""

import gc
from importlib import import_module

# Now and here, before anybody else's code is read. (Imported by name it would be taken for a setting of gunicorn's: `config` is one.)
import_module("config.gevent_patches")


def on_starting(server: object) -> None:  # noqa: ARG001 -- gunicorn's name and form
    """Before the port is opened. Only modules: connections, threads and settings are each worker's own."""
    import_module("webhook_receiver.app")
    # What is there now is never looked at by a collection again, which would copy the pages it touches.
    gc.collect()
    gc.freeze()
