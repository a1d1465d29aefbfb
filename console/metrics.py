"""What the console counts. The tenant is never a label."""

from prometheus_client import Counter, Gauge, Histogram

API_REFUSED = Counter("earshot_api_refused_total", "API calls without a valid key or the right", ["reason"])
API_READS = Counter("earshot_api_conversation_reads_total", "Conversations whose words were read through the API")
LIVE_PAGES = Gauge("earshot_console_live_pages", "Pages that hear of changes as they happen")
PAGE_SECONDS = Histogram(
    "earshot_console_seconds",
    "Time the server takes for an answer, by what was asked for",
    ["endpoint"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 15),
)
