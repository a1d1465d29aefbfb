"""How fast the console is in a tenant with a million messages: `python -m benchmarks.console [pages] [load] [open] [live]`.

Starts servers of its own in a temporary folder, fills them (three minutes) and leaves nothing behind. With
`--database OWNER_URL --redis URL` it uses a database that it may fill, or that it filled before; `--scale 0.01` makes small tenants.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.console_database import PASSWORD, Servers, filled_servers
from benchmarks.console_pages import print_pages
from benchmarks.first_load import print_first_loads
from benchmarks.live_event import print_live_event
from benchmarks.open_pages import print_open_pages
from store.migrate import app_database_url

PARTS: dict[str, Callable[[Servers], bool]] = {
    "pages": print_pages,
    "load": print_first_loads,
    "open": print_open_pages,
}


def main() -> int:
    """Print the tables; 1 when a limit was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}, live; all when none is named")
    parser.add_argument("--database", metavar="OWNER_URL")
    parser.add_argument("--redis", metavar="URL")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep the servers' data there, and use what is there"
    )
    options = parser.parse_args()
    parts = options.parts or [*PARTS, "live"]
    if unknown := set(parts) - {*PARTS, "live"}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    given = None
    if options.database:
        given = Servers(options.database, app_database_url(options.database, PASSWORD), options.redis)
    began = time.perf_counter()

    def say(what: str) -> None:
        print(f"{time.perf_counter() - began:6.0f} s  {what}", file=sys.stderr)

    kept: list[bool] = []
    if wanted := [one for one in parts if one in PARTS]:
        named = {**PARTS, "pages": partial(print_pages, scale=options.scale)}
        with filled_servers(given, scale=options.scale, say=say, keep=options.keep) as servers:
            kept += [named[one](servers) for one in wanted]
    if "live" in parts:
        kept.append(print_live_event())
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
