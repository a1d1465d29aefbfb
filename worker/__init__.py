"""The pipeline: Celery tasks over plain steps, and the reconciler."""
