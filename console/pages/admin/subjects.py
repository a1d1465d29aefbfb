"""What the administration is about: one page each, in the order of its menu."""


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


# (blueprint without `admin_`, name). Its page is the blueprint's `show`.
SUBJECTS: tuple[tuple[str, str], ...] = (
    ("overview", _("Overview")),
    ("start", _("Set-up")),
    ("channels", _("Channels")),
    ("crm", _("CRM")),
    ("people", _("People and keys")),
    ("audit_log", _("Audit log")),
    ("privacy", _("Privacy")),
    ("sweeps", _("Sweeps")),
    ("examples", _("Examples")),
    ("laboratory", _("Laboratory")),
    ("accounting", _("Accounting")),
    ("dead_letters", _("Dead letters")),
    ("alerts", _("Alerts")),
    ("alert_targets", _("Alert targets")),
    ("webhooks", _("Webhooks")),
    ("settings", _("Settings")),
    ("rules", _("Rules")),
)
