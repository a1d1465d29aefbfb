"""`python -m tests.servers FOLDER [durable]`: Postgres and Valkey for the tests, until standard input ends.

A process of its own, because a supervisor takes every child of its program that it did not start for an orphan.
"""

import json
import sys
from pathlib import Path

import psycopg
from psycopg.sql import SQL

from devstack.data_dir import open_data_dir
from devstack.embedded import POSTGRES_SETTINGS, embedded_postgres, embedded_valkey, owner_url
from devstack.first_connection import create_missing
from devstack.ports import Ports
from devstack.supervisor import Supervisor

PASSWORD = "test"


def main() -> None:
    data, ports = open_data_dir(Path(sys.argv[1])), Ports()
    # Hundreds of databases are made and dropped, and none of them outlives the tests. Kills are tested on whole stacks.
    # durable: as in the stack, for benchmarks in which commits count.
    if "durable" not in sys.argv[2:]:
        POSTGRES_SETTINGS.update({"fsync": "off", "full_page_writes": "off", "max_wal_size": "1GB"})
        # The tests connect some ten thousand times, and each time would cost 4096 rounds of hashing the password.
        POSTGRES_SETTINGS["scram_iterations"] = "1"
    supervisor = Supervisor(logs=data.logs, cwd=data.run, on_change=lambda: None)
    postgres_port, valkey_port = ports.free(), ports.free()
    postgres = embedded_postgres(data, port=postgres_port, password=PASSWORD, stop_phase=1)
    valkey = embedded_valkey(data, port=valkey_port, password=PASSWORD, stop_phase=1)
    try:
        supervisor.start([postgres, valkey])
        url = owner_url(port=postgres_port, password=PASSWORD)
        create_missing(url)
        with psycopg.connect(url) as conn:
            # initdb stored it before it was told so.
            conn.execute(SQL("ALTER ROLE CURRENT_USER PASSWORD {}").format(PASSWORD))
        urls = [url, f"redis://:{PASSWORD}@127.0.0.1:{valkey_port}/0"]
        print(json.dumps(urls), flush=True)
        sys.stdin.read()
    finally:
        supervisor.stop()


if __name__ == "__main__":
    main()
