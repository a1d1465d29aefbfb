"""Importing this has gevent patch the standard library, but for what gunicorn's own process goes by: signals, children, and the queue between them.

gunicorn's gevent worker patches everything after its fork. Code that is read before the fork must find locks and sockets that are gevent's
already, both those it makes while it is read and those it imports by name.
"""

import warnings

from gevent import monkey

monkey.patch_all(os=False, signal=False, subprocess=False, queue=False)
# The worker's patching is the rest of this one, which is meant.
warnings.filterwarnings("ignore", category=monkey.MonkeyPatchWarning)
