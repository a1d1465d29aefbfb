"""How much a sweep does at once."""

# Requests in one batch: what a pause or an erasure comes too late for.
REQUESTS_PER_BATCH = 1000
# Batches of one sweep that the provider works on at a time.
MAX_OPEN_BATCHES = 5
# Single calls at a time, of a tenant whose sweep uses no batches: live messages keep the rest of the rate limit.
CALLS_AT_ONCE = 8
# How long a worker stays with one sweep. Shorter than the time that a worker is given to stop.
TURN_S = 8.0
# When a turn ended in an error of ours.
RETRY_S = 5.0
# Items whose requests are built, or whose answers are stored, in one transaction: an erasure waits for no more than that.
CHUNK = 25
# Waiting calls that one round takes; a pause takes effect after it.
ROUND = 4 * CALLS_AT_ONCE
# A batch that did not arrive may still be on its way for so long: longer than handing one in may take. The clocks of both sides may differ by SKEW_S.
LOOK_FOR_S = 180.0
SKEW_S = 600.0
# Customers whose labels are marked in one transaction, which live messages of theirs wait for.
CUSTOMERS_AT_ONCE = 200
# Turns in a row that end in an error of ours before the sweep pauses.
MAX_BUGS = 5
# Results that are not all there are read so often before the rest counts as unanswered.
MAX_READS = 5
# Tries to store an answer that is paid.
STORE_TRIES = 6
