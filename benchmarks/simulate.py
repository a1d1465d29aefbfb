"""How long simulating a history takes, beside the plain loop: `python -m benchmarks.simulate [decisions]`.

Both read 100,000 decisions of 30 days from Postgres and decide each under two policies. Needs no running stack: it starts a
Postgres of its own.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.history import add_history
from config.tenant import TenantConfig
from config.tenant_file import parse_tenant_file
from routing.playbooks import policy_for
from routing.rules import decide
from routing.stored_facts import facts_from_json
from store.db import Connection, Database
from store.decisions import iterate_decisions
from store.migrate import app_database_url, migrate
from store.secrets import Keyring
from store.tenants import apply_tenant, get_tenant_config

DECISIONS, DAYS, LIMIT_S = 100_000, 30, 5.0
_PASSWORD = "test"  # noqa: S105 -- of a server that lives as long as this process
_KEY = "k1:" + "QUFB" * 10 + "QUE="
_TENANT = """
slug = "bench"
name = "Bench"
industry = "ecommerce"
[actions.send_refund_form]
enabled = true
url = "https://bench.example/refund"
[actions.close_with_thanks]
enabled = true
"""


def main() -> None:
    """Print the figures."""
    decisions = int(sys.argv[1]) if len(sys.argv) > 1 else DECISIONS
    with tempfile.TemporaryDirectory(prefix="earshot-bench-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)  # the database's own account must be able to pass
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.servers", str(Path(folder) / "data")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdin is not None and server.stdout is not None
        try:
            measure(json.loads(server.stdout.readline())[0], decisions=decisions)
        finally:
            server.stdin.close()
            server.wait(30)


def measure(owner_url: str, *, decisions: int) -> None:
    """Fill the database, then measure both ways."""
    from worker.simulator import try_settings

    keyring, now = Keyring.parse(_KEY), datetime.now(UTC)
    migrate(owner_url, app_password=_PASSWORD, keyring=keyring)
    database = Database(app_database_url(owner_url, _PASSWORD), pool_size=1)
    with database.system_transaction() as conn:
        tenant_id = apply_tenant(conn, parse_tenant_file(_TENANT, source="bench", environ={}), keyring=keyring)
    with database.tenant_transaction(tenant_id) as conn:
        live = get_tenant_config(conn, tenant_id)
    add_history(owner_url, tenant_id, policy=policy_for(live), decisions=decisions, days=DAYS, now=now)
    tried = live.model_copy(update={"thresholds": live.thresholds.model_copy(update={"escalate": 0.55})})
    with database.tenant_transaction(tenant_id) as conn:
        began = time.perf_counter()
        trial = try_settings(conn, tenant_id, live=live, tried=tried, now=now, days=DAYS + 1)
        simulated_s = time.perf_counter() - began
    with database.tenant_transaction(tenant_id) as conn:
        began = time.perf_counter()
        counted = plain_loop(conn, tenant_id, live=live, tried=tried, since=now - timedelta(days=DAYS + 1))
        plain_s = time.perf_counter() - began
    database.close()
    assert trial.simulation.messages == counted["all"] == decisions
    print(f"Simulating {decisions:,} decisions of {DAYS} days under two policies, read from Postgres\n")
    print(
        f"earshot simulate   {simulated_s:6.2f} s ({simulated_s / plain_s:4.2f}x), limit {LIMIT_S} s for {DECISIONS:,}"
    )
    print(f"plain loop         {plain_s:6.2f} s (1.00x): each row decoded, each decided twice, nothing derived anew")
    print(f"\n{trial.sentence}")


def plain_loop(
    conn: Connection, tenant_id: int, *, live: TenantConfig, tried: TenantConfig, since: datetime
) -> Counter[str]:
    """The baseline: what one would write first."""
    counted: Counter[str] = Counter()
    before, after = policy_for(live), policy_for(tried)
    for one in iterate_decisions(conn, tenant_id, since=since):
        facts = facts_from_json(one.inputs).facts
        counted[f"before {decide(facts, before).priority}"] += 1
        counted[f"after {decide(facts, after).priority}"] += 1
        counted["all"] += 1
    return counted


if __name__ == "__main__":
    main()
