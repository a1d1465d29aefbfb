"""What counts finished chains. A module of its own: the other engines' environments have neither Celery nor the project's dependencies."""

DONE = "bare:done"
