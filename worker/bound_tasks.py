"""The application as it is when a worker has begun: every task bound to it, and what Celery says of this machine. Read only where several
programs are forked from one (`earshot up`), which share it then.
"""

import platform

from worker.app import app

app.loader.import_default_modules()
app.finalize()
# Kept by the library; it asks a program of its own for it.
platform.platform()
