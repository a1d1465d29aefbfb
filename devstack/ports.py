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


def _try_to_bind(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


class Ports:
    """Gives every process of a stack a port of its own."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def free(self) -> int:
        """A free port below those that outgoing connections get.

        A server that dies must find its port free again. A port from that range may by then belong to a client, even to
        one that tried to reach the dead server and was connected to itself.
        """
        for _ in range(ATTEMPTS):
            port = LOWEST + secrets.randbelow(_ephemeral_start() - LOWEST)
            with suppress(OSError):
                if port not in self._taken:
                    _try_to_bind(port)
                    self._taken.add(port)
                    return port
        message = "no free port found on 127.0.0.1"
        raise StackError(message)

    def wanted(self, port: int, *, option: str) -> int:
        """The wanted port, or a free one for 0. Raises: StackError naming the option when it cannot be had."""
        if port == 0:
            return self.free()
        if port in self._taken:
            message = f"{option} {port}: another option names the same port"
            raise StackError(message)
        try:
            _try_to_bind(port)
        except OSError as error:
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            message = f"port {port} {reason}; choose another with {option} (0 picks a free one)"
            raise StackError(message) from None
        except OverflowError:
            message = f"{option} {port}: a port is a number from 0 to 65535"
            raise StackError(message) from None
        self._taken.add(port)
        return port
