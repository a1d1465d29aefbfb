"""POST to an address that a tenant chose, without becoming the tenant's door into the inside of our network.

The host is resolved once, every address it has must be a public one, and the connection goes to an address that was
checked: a name that changes its mind between check and connection gains nothing.
"""

import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Literal

import httpcore2
import httpx2

MAX_ANSWER_BYTES = 64 * 1024
FailureCode = Literal["refused", "no_connection", "no_answer"]
_CONNECT_TIMEOUT_S = 3.0
_HOST = re.compile(rb"[a-z0-9._-]+|[0-9a-f:.]+")
_PORTS = {"https": 443, "http": 80}
# Public by IANA's registry or unknown to older Pythons, and yet a door to the machine we run on: address assignments
# of providers (Oracle's metadata service), anycast relays to IPv4, Azure's own virtual machine agent.
_INSIDE = tuple(map(ipaddress.IPv4Network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")))
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class RequestFailed(Exception):
    """No answer to a request. The text is the code alone, never the URL.

    "refused": the URL is not one we may call. "no_connection": nothing was sent. "no_answer": it may have arrived.
    """

    def __init__(self, code: FailureCode) -> None:
        super().__init__(code)
        self.code: FailureCode = code


@dataclass(frozen=True)
class Answer:
    """A server's answer. headers: by lower-case name. body: of a 2xx answer; None when it was too long or broke off."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that Retry-After asks to wait, never negative; None when it does not say.

        A date is measured by the server's own clock, its Date header.
        """
        asked = self.headers.get("retry-after", "")
        if asked.isascii() and asked.isdigit():
            return float(asked[:9])
        try:
            until, now = (parsedate_to_datetime(text) for text in (asked, self.headers.get("date", "")))
            return max((until - now).total_seconds(), 0.0)
        except (ValueError, TypeError, OverflowError):  # TypeError: one of the two has no time zone
            return None


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet; an IPv4 address inside an IPv6 one is judged itself."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = (
            ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        )
        if inner is None:
            return ip in _GLOBAL_UNICAST and ip.is_global and not ip.is_multicast
        ip = inner
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _INSIDE)


class GuardedHttp:
    """One POST at a time, each on a connection of its own. Follows no redirect. Safe to share between threads.

    timeout_s: for everything together, from the look-up of the name to the answer's last byte; the look-up itself ends
    when the system's resolver gives up. allow_private_addresses: for deployments whose receivers stand in their own
    network; plain http:// is let through then too.
    """

    def __init__(self, *, timeout_s: float = 10.0, allow_private_addresses: bool = False) -> None:
        self._timeout_s = timeout_s
        self._allow_private = allow_private_addresses
        self._ssl_context = httpx2.create_ssl_context()

    def post(self, url: str, *, body: bytes, headers: dict[str, str]) -> Answer:
        """The answer, whatever its status. Raises: RequestFailed."""
        target, host_header = self._checked_url(url)
        backend = _CheckedAddresses(
            give_up_at=time.monotonic() + self._timeout_s, allow_private_addresses=self._allow_private
        )
        code: FailureCode
        try:
            with (
                httpcore2.ConnectionPool(ssl_context=self._ssl_context, network_backend=backend) as pool,
                pool.stream(
                    "POST",
                    target,
                    headers={"Host": host_header, "Connection": "close", "User-Agent": "earshot", **headers},
                    content=body,
                ) as response,
            ):
                return Answer(
                    status=response.status,
                    headers={
                        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
                    },
                    body=_read(response) if 200 <= response.status < 300 else b"",
                )
        except RequestFailed as error:
            code = error.code
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
            code = "no_connection"
        except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError):
            code = "no_answer"
        raise RequestFailed(code)  # outside the handler, so that no exception with the address in it hangs on ours

    def _checked_url(self, url: str) -> tuple[httpcore2.URL, str]:
        """What to call, and the Host header that belongs to it."""
        try:
            parts = httpx2.URL(url)
            port = _PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
        except (httpx2.InvalidURL, ValueError):
            raise RequestFailed("refused") from None
        schemes = ("https", "http") if self._allow_private else ("https",)
        # A password in a URL ends up in logs and screens; what we send is signed anyway.
        if parts.scheme not in schemes or parts.userinfo or not 0 < port < 65536 or not _HOST.fullmatch(parts.raw_host):
            raise RequestFailed("refused")
        target = httpcore2.URL(scheme=parts.raw_scheme, host=parts.raw_host, port=port, target=parts.raw_path)
        return target, parts.netloc.decode("ascii")


def _read(response: httpcore2.Response) -> bytes | None:
    """The status has said what became of the request: a body that can't be had changes nothing about that."""
    parts: list[bytes] = []
    size = 0
    try:
        for part in response.iter_stream():
            parts.append(part)
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                return None
    except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError):
        return None
    return b"".join(parts)


class _CheckedAddresses(httpcore2.NetworkBackend):
    """Connects to what a name's addresses are at this moment, or to none of them. One per request."""

    def __init__(self, *, give_up_at: float, allow_private_addresses: bool) -> None:
        self._give_up_at = give_up_at
        self._allow_private = allow_private_addresses
        self._system = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 -- the request's deadline decides
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        failure: Exception = httpcore2.ConnectError("no address")
        for address in self._addresses(host, port):
            try:
                stream = self._system.connect_tcp(
                    address,
                    port,
                    timeout=min(_CONNECT_TIMEOUT_S, _left_s(self._give_up_at, httpcore2.ConnectTimeout)),
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _DeadlineStream(stream, give_up_at=self._give_up_at)
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # UnicodeError: a part of the name is longer than names can be
            raise httpcore2.ConnectError("no address") from error
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        # One inner address among public ones is no accident either.
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise RequestFailed("refused")
        return addresses


def _left_s(give_up_at: float, timeout: type[httpcore2.TimeoutException]) -> float:
    left = give_up_at - time.monotonic()
    if left <= 0:
        raise timeout
    return left


class _DeadlineStream(httpcore2.NetworkStream):
    """A connection that ends at a moment, however slowly the other side drips."""

    def __init__(self, stream: httpcore2.NetworkStream, *, give_up_at: float) -> None:
        self._stream = stream
        self._give_up_at = give_up_at

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, _left_s(self._give_up_at, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, _left_s(self._give_up_at, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        stream = self._stream.start_tls(
            ssl_context, server_hostname, _left_s(self._give_up_at, httpcore2.ConnectTimeout)
        )
        return _DeadlineStream(stream, give_up_at=self._give_up_at)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
