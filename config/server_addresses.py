"""Which servers may carry the queues and hold what processes share, and how their addresses are written."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

BrokerKind = Literal["redis", "sentinel", "amqp"]

_KINDS: dict[str, BrokerKind] = {
    "redis": "redis",
    "rediss": "redis",
    "sentinel": "sentinel",
    "amqp": "amqp",
    "amqps": "amqp",
}
# Written out for whoever has to change the variable. What processes share stays in Redis, whatever carries the queues.
_POSSIBLE: dict[str, tuple[tuple[BrokerKind, str], ...]] = {
    "REDIS_URL": (
        ("redis", "redis://host:6379/0, rediss:// with TLS"),
        ("sentinel", "sentinel://host:26379;sentinel://host2:26379/0?master=NAME"),
    ),
    "BROKER_URL": (
        ("redis", "redis://host:6379/0, rediss:// with TLS"),
        ("sentinel", "sentinel://host:26379;sentinel://host2:26379/0?master=NAME"),
        ("amqp", "amqp://user:password@host:5672/name (RabbitMQ), amqps:// with TLS"),
    ),
}
SENTINEL_PORT = 26379


class AddressError(ValueError):
    """An address that nothing can be reached at; the text quotes nothing of it."""


def kind_of(url: str) -> BrokerKind | None:
    """What kind of server the address names; None for any other."""
    return _KINDS.get(url.partition("://")[0].lower())


def check_kind(name: str, url: str) -> None:
    """Whether the variable may hold this address. Raises: AddressError with what is possible."""
    possible = _POSSIBLE.get(name)
    if possible is None:
        return
    kinds = {kind_of(one) for one in url.split(";")}
    kind = next(iter(kinds))
    if len(kinds) != 1 or kind not in {kind for kind, _ in possible}:
        message = f"{name} names no server that is known for it; possible are: " + "; ".join(how for _, how in possible)
        raise AddressError(message)
    if kind == "redis" and ";" in url:
        message = f"{name} holds several addresses of Redis; several are possible with sentinel:// and amqp:// only"
        raise AddressError(message)
    if kind == "sentinel":
        try:
            parse_sentinels(url)
        except AddressError as error:
            message = f"{name}: {error}"
            raise AddressError(message) from None


@dataclass(frozen=True)
class Sentinels:
    """Where a master of Redis is asked for. user, password: the server's own. asking_password: the sentinels'."""

    hosts: tuple[tuple[str, int], ...]
    master: str
    database: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    asking_password: str | None = field(default=None, repr=False)
    credentials: str = field(default="", repr=False)

    @property
    def kombu_url(self) -> str:
        """The same for kombu, which wants credentials and database at each address and the master's name elsewhere."""
        at = f"{self.credentials}@" if self.credentials else ""
        return ";".join(f"sentinel://{at}{_bracketed(host)}:{port}/{self.database}" for host, port in self.hosts)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def parse_sentinels(url: str) -> Sentinels:
    """`sentinel://:password@a:26379;sentinel://b:26379/0?master=NAME`: credentials at the first, database and query at the last.

    The query also takes `sentinel_password`. Raises: AddressError.
    """
    parts = [urlsplit(one) for one in url.split(";")]
    asked = parse_qs(parts[-1].query)
    unknown = asked.keys() - {"master", "sentinel_password"}
    master = asked.get("master", [""])[0]
    if unknown or not master or any(part.query for part in parts[:-1]):
        raise AddressError(
            "an address of Sentinel ends with ?master=NAME, the name of the master that the sentinels watch; "
            "only &sentinel_password=... may follow"
        )
    database = parts[-1].path.strip("/") or "0"
    if not database.isdecimal():
        raise AddressError("what stands before ?master=NAME is the number of a database, such as /0")
    return Sentinels(
        hosts=tuple(_hosts(parts)),
        master=master,
        database=int(database),
        user=unquote(parts[0].username) if parts[0].username else None,
        password=unquote(parts[0].password) if parts[0].password else None,
        asking_password=asked.get("sentinel_password", [None])[0],
        credentials=parts[0].netloc.rpartition("@")[0],
    )


def _hosts(parts: Iterable[SplitResult]) -> Iterable[tuple[str, int]]:
    for part in parts:
        if not part.hostname:
            raise AddressError("an address of Sentinel lacks its host")
        yield part.hostname, part.port or SENTINEL_PORT
