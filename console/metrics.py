"""What the console counts. The tenant is never a label."""

from prometheus_client import Counter, Gauge

API_REFUSED = Counter("earshot_api_refused_total", "API calls without a valid key or the right", ["reason"])
API_READS = Counter("earshot_api_conversation_reads_total", "Conversations whose words were read through the API")
LIVE_PAGES = Gauge("earshot_console_live_pages", "Pages that hear of changes as they happen")
