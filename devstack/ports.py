"""Ports on 127.0.0.1: the wanted one or a free one."""

import errno
import secrets
import socket
from contextlib import suppress
from pathlib import Path

from devstack.stack_error import StackError

LOWEST = 20_000
ATTEMPTS = 200
# Where Linux and macOS begin to give out ports to outgoing connections.
USUAL_EPHEMERAL_START = 32_768


def _ephemeral_start() -> int:
    with suppress(OSError):
        low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
        if low > LOWEST + 1000:
            return low
    return USUAL_EPHEMERAL_START


def _bind(port: int, *, beside_others: bool) -> socket.socket:
    """A socket that has the port and never listens, so that a server, which asks to reuse its address, still gets it.

    beside_others: take one that somebody else holds in this way, or that was used a moment ago. Raises: OSError, OverflowError.
    """
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(beside_others))
        holder.bind(("127.0.0.1", port))
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except (OSError, OverflowError):
        holder.close()
        raise
    return holder


class Ports:
    """Gives every process of a stack a port of its own, and holds it as long as this object lives: between choosing a port and serving
    on it lie seconds, in which another stack would choose the same.
    """

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}

    def __del__(self) -> None:
        for holder in self._held.values():
            holder.close()

    def free(self) -> int:
        """A free port below those that outgoing connections get.

        A server that dies must find its port free again. A port from that range may by then belong to a client, even to
        one that tried to reach the dead server and was connected to itself.
        """
        for _ in range(ATTEMPTS):
            port = LOWEST + secrets.randbelow(_ephemeral_start() - LOWEST)
            with suppress(OSError):
                if port not in self._held:
                    self._held[port] = _bind(port, beside_others=False)
                    return port
        message = "no free port found on 127.0.0.1"
        raise StackError(message)

    def wanted(self, port: int, *, option: str) -> int:
        """The wanted port, or a free one for 0. Raises: StackError naming the option when it cannot be had."""
        if port == 0:
            return self.free()
        if port in self._held:
            message = f"{option} {port}: another option names the same port"
            raise StackError(message)
        try:
            self._held[port] = _bind(port, beside_others=True)
        except OSError as error:
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            message = f"port {port} {reason}; choose another with {option} (0 picks a free one)"
            raise StackError(message) from None
        except OverflowError:
            message = f"{option} {port}: a port is a number from 0 to 65535"
            raise StackError(message) from None
        return port
