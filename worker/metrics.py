"""What workers count. The tenant is never a label."""

from prometheus_client import Counter, Gauge, Histogram, start_http_server

STAGE_SECONDS = Histogram(
    "earshot_stage_duration_seconds",
    "Time of one run of a stage",
    ["stage"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40),
)
STAGE_FAILURES = Counter("earshot_stage_failures_total", "Runs of a stage that did not finish", ["stage", "outcome"])
MODEL_CALLS = Counter(
    "earshot_model_calls_total", "Calls of the model by what came of them; answers of a batch too", ["model", "outcome"]
)
MODEL_TOKENS = Counter(
    "earshot_model_tokens_total", "Tokens of calls: input, output, cached, cache_write", ["model", "kind"]
)
MODEL_COST = Counter("earshot_model_cost_usd_total", "What calls of the model cost, by our price list", ["model"])
WAITING_RUNS = Gauge(
    "earshot_waiting_runs",
    "Messages that wait before the model: the provider is left alone, a tenant's budget is used up, there is no key",
    ["because"],
)
RUNG_AGAIN = Counter("earshot_rung_again_total", "Runs that the reconciler started again")
QUEUE_DEPTH = Gauge("earshot_queue_depth", "Tasks that wait in a broker queue", ["queue"])
OPEN_RUNS = Gauge("earshot_open_runs", "Runs that are not finished, by state", ["state"])
OLDEST_RUN_SECONDS = Gauge("earshot_oldest_open_run_age_seconds", "Age of the oldest run that is not finished")
CHANNEL_ACCOUNTS = Gauge("earshot_channel_accounts", "Channel accounts by what is wrong with them", ["state"])
CHANNEL_ALERTS = Counter("earshot_channel_alerts_total", "Alerts about channel accounts", ["kind"])
ALERTS = Counter("earshot_alerts_total", "Alerts that people were to hear of", ["kind"])
ALERT_DELIVERIES = Counter("earshot_alert_deliveries_total", "Alerts sent to targets, one for each try", ["outcome"])
SLA_OPEN_CLOCKS = Gauge(
    "earshot_sla_open_clocks", "Clocks that have not stopped; breached: late and unanswered", ["kind", "state"]
)
SLA_ALERTS = Counter("earshot_sla_alerts_total", "Clocks that were told to people as nearly late or late", ["kind"])
CRM_WRITES = Counter(
    "earshot_crm_writes_total", "Cards, notes and tasks by what became of them", ["crm", "what", "outcome"]
)
CRM_TROUBLE = Counter("earshot_crm_trouble_total", "Times that a whole CRM did not work", ["crm", "outcome"])
CRM_DIRTY = Gauge("earshot_crm_waiting", "Cards, events and searches that are due and wait", ["what"])
CRM_OLDEST_SECONDS = Gauge(
    "earshot_crm_oldest_waiting_age_seconds", "Age of the card that waits longest, paused CRMs left out"
)
CRM_PAUSED = Gauge("earshot_crm_paused_connections", "Connections that wait for an administrator")

ACTIONS = Counter("earshot_actions_total", "What became of actions that were carried out", ["kind", "outcome"])
WEBHOOK_TRIES = Counter(
    "earshot_webhook_tries_total", "Events sent to tenants' programs, one for each try", ["outcome"]
)
ACTIONS_OPEN = Gauge(
    "earshot_open_actions", "Actions that are not over: pending, awaiting_approval, sending, uncertain", ["state"]
)
DOUBTS_TO_SETTLE = Gauge("earshot_uncertain_sends_to_settle", "Sends that are uncertain for more than ten minutes")
ACTION_OVERDUE_SECONDS = Gauge("earshot_action_overdue_seconds", "How long the first due action has not left")
DELIVERIES_OPEN = Gauge(
    "earshot_open_alert_deliveries",
    "Alerts on their way to targets: waiting, of these retrying; failed: given up within a day",
    ["state"],
)
ALERT_UNTOLD_SECONDS = Gauge("earshot_oldest_untold_alert_age_seconds", "Age of the oldest alert that has not left")
UNASSIGNED = Gauge("earshot_unassigned_conversations", "Open conversations that nobody has", ["queue"])
UNASSIGNED_OLDEST_SECONDS = Gauge(
    "earshot_oldest_unassigned_wait_seconds", "How long a customer waits in a conversation that nobody has", ["queue"]
)
LAST_UPKEEP = Gauge(
    "earshot_last_upkeep_timestamp_seconds",
    "When a kind of upkeep last ended well; of several workers the newest counts",
    ["task"],
)

ACCOUNT_MISSING = Gauge(
    "earshot_unaccounted_messages",
    "Messages that were acknowledged and can't be accounted for; anything but 0 is an incident",
)
ACCOUNT_ROUND = Gauge("earshot_accounting_timestamp_seconds", "When all tenants' messages were last counted")
CANARY_SECONDS = Histogram(
    "earshot_canary_seconds",
    "Time of a message of our own from being sent to being done",
    ["asks_model"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 900),
)
CANARIES_LATE = Gauge("earshot_late_canaries", "Tenants' messages of our own that have not come through in time")
STAGE_OLDEST_SECONDS = Gauge(
    "earshot_stage_oldest_age_seconds", "For how long the first open run stands before a stage", ["stage"]
)
STAGE_LATE = Gauge("earshot_stage_late_runs", "Runs that stand before a stage longer than they may", ["stage"])


def serve(*, host: str, port: int) -> None:
    """Answer /metrics in a thread of its own."""
    start_http_server(port, addr=host)
