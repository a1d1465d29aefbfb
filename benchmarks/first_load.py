"""What a browser that has nothing yet loads for each page, as it travels: the page, its styles and its scripts."""

from dataclasses import dataclass
from html.parser import HTMLParser

from flask.testing import FlaskClient

from benchmarks.console_addresses import find_ids, list_addresses
from benchmarks.console_database import Servers
from benchmarks.console_pages import make_app, sign_in

LIMIT_KB = 100.0
SHOWN = 12
_ASKED = {"Accept-Encoding": "gzip", "Sec-Fetch-Site": "none"}


@dataclass(frozen=True)
class Load:
    """Kilobytes of a page: as it travels, of that the page itself, and what it would be without compression."""

    name: str
    travels: float
    page: float
    plain: float


class _Parts(HTMLParser):
    """Addresses of what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Styles, icons and scripts."""
        given = dict(attrs)
        address = given.get("href") if tag == "link" else given.get("src") if tag in {"script", "img"} else None
        if address:
            self.found.append(address)


def weigh(client: FlaskClient, name: str, path: str) -> Load | None:
    """None for what is no page."""
    plain = client.get(path)
    if plain.mimetype != "text/html" or plain.status_code != 200:
        return None
    packed = client.get(path, headers=_ASKED)
    parts = _Parts()
    parts.feed(plain.text)
    travels, whole = len(packed.data), len(plain.data)
    for address in parts.found:
        travels += len(client.get(address, headers=_ASKED).data)
        whole += len(client.get(address).data)
    return Load(name, travels / 1024, len(packed.data) / 1024, whole / 1024)


def print_first_loads(servers: Servers) -> bool:
    """The heaviest pages; returns whether all are light enough."""
    app = make_app(servers)
    try:
        client, _, tenant_id = sign_in(app, servers, slug="large")
        found = find_ids(servers.owner_url, tenant_id)
        addresses, _ = list_addresses(app, found)
        pages = [one for one in addresses if not one.is_file and not one.path.startswith(("/api/", "/inbox/rows"))]
        loads = [load for one in pages if (load := weigh(client, one.name, one.path))]
    finally:
        app.extensions["database"].close()
    loads.sort(key=lambda one: -one.travels)
    print(
        f"\nFirst load in kB with an empty cache, the {SHOWN} heaviest of {len(loads)} pages; ratio to no compression\n"
    )
    print(f"{'travels':>8} {'page':>7} {'plain':>8} {'ratio':>6}")
    for one in loads[:SHOWN]:
        late = "" if one.travels < LIMIT_KB else "  <-- heavy"
        print(f"{one.travels:8.1f} {one.page:7.1f} {one.plain:8.1f} {one.travels / one.plain:5.2f}x  {one.name}{late}")
    print(f"\nlimit {LIMIT_KB:.0f} kB")
    return all(one.travels < LIMIT_KB for one in loads)
