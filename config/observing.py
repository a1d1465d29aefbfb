"""Whether spans and reports of bugs leave this process, by the settings: for each entry point, once, after a fork."""

from config.error_reports import start_error_reports
from config.settings import Settings
from config.tracing import start_tracing


def start_observing(service: str, settings: Settings) -> None:
    """service: receiver, worker or console. Raises: SettingsError when an extra is missing."""
    headers, dsn = settings.otel_exporter_otlp_headers, settings.sentry_dsn
    start_tracing(
        service,
        endpoint=settings.otel_exporter_otlp_endpoint,
        headers=headers.get_secret_value() if headers else None,
    )
    start_error_reports(service, dsn=dsn.get_secret_value() if dsn else None)
