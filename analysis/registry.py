"""Which analyzer this process uses."""

from analysis.base import Analyzer, CallCounter
from config.settings import Settings


def build_analyzer(settings: Settings, *, count_call: CallCounter | None = None) -> Analyzer | None:
    """Claude when a key is set, else None: messages then wait with a provisional reading. count_call: hears of each single call."""
    if settings.anthropic_api_key is None:
        return None
    from analysis.claude import Claude

    return Claude(
        api_key=settings.anthropic_api_key.get_secret_value(),
        base_url=settings.anthropic_base_url,
        model=settings.anthropic_model,
        escalation_model=settings.anthropic_escalation_model or None,
        timeout_s=settings.analyze_timeout_s,
        label=settings.analyzer_label,
        count_call=count_call,
    )
