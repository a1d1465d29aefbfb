"""Sends one alert through apprise, which speaks a hundred services, without becoming the tenant's door into our network.

Apprise looks names up, follows parameters and reads answers by itself, so every send happens under channels.send_guard.
"""

import logging
import threading
import warnings
from functools import cache
from typing import Any

from channels.guarded_http import is_public
from channels.send_guard import guarded_send, watch_this_process
from config.alerting import ANY_HOST, check_target

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 4.0, 10.0


class AlertSendError(Exception):
    """An alert did not leave, or nobody knows. The text is a code, never the URL. permanent: another try gives the same."""

    def __init__(self, code: str, *, permanent: bool) -> None:
        super().__init__(code)
        self.code, self.permanent = code, permanent


_loading = threading.Lock()


def _apprise() -> Any:
    """The library, loaded when something is first sent: it takes seconds and 60 MB. Others wait meanwhile: half loaded it says that a
    service is none.
    """
    with _loading:
        return _load_apprise()


@cache
def _load_apprise() -> Any:
    """Looks through the guard from then on."""
    with warnings.catch_warnings():
        # One of its services imports a module that Python gives up.
        warnings.simplefilter("ignore", DeprecationWarning)
        import apprise

        apprise.Apprise.instantiate("json://127.0.0.1")
    # Its lines hold URLs with their tokens.
    logging.getLogger("apprise").disabled = True
    watch_this_process()
    return apprise


def open_service(url: str) -> Any:
    """The service behind an apprise URL. Raises: AlertSendError when there is none, ValueError as check_target does."""
    check_target(url)
    apprise = _apprise()
    # No custom schemas, no redirects (they would lead anywhere), nothing of the URL in logs.
    asset = apprise.AppriseAsset(
        http_redirects=False,
        plugin_paths=[],
        secure_logging=True,
        async_mode=False,
        app_id="Earshot",
        app_desc="Earshot",
    )
    service = apprise.Apprise.instantiate(url, asset=asset)
    if service is None:
        raise AlertSendError("unusable_url", permanent=True)
    # A message that stands in a file of this machine: check_target lets none through, and this holds should it ever.
    if getattr(service, "template", None):
        raise AlertSendError("refused", permanent=True)
    service.redirects = False
    service.socket_connect_timeout, service.socket_read_timeout = CONNECT_TIMEOUT_S, READ_TIMEOUT_S
    return service


def check_reachable(url: str, *, allow_private: bool) -> None:
    """Whether an alert could ever leave for it, as far as that can be said without asking anybody.

    Raises: AlertSendError "unusable_url", or "private_address" when the host is written as an address or a name that is never public;
    where other names lead is seen when something is sent. ValueError as check_target does.
    """
    service = open_service(url)
    if allow_private or url.partition("://")[0] not in ANY_HOST:
        return
    hosts = [str(getattr(service, name, None) or "") for name in ("host", "smtp_host")]
    if any(is_surely_private(host) for host in hosts):
        raise AlertSendError("private_address", permanent=True)


def is_surely_private(host: str) -> bool:
    """Whether this host is written as an inner address, or as a name that is never public."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith((".localhost", ".local", ".internal")):
        return True
    is_address = ":" in name or name.replace(".", "").isdigit()
    return is_address and not is_public(name)


def send_alert(url: str, *, title: str, body: str, severity: str, allow_private: bool) -> None:
    """Send it, as plain text. Raises: AlertSendError."""
    try:
        service = open_service(url)
    except ValueError:
        raise AlertSendError("refused", permanent=True) from None
    kind = {"critical": "failure", "warning": "warning"}.get(severity, "info")
    with guarded_send(allow_private=allow_private) as send:
        try:
            sent = service.notify(title=title, body=body, notify_type=kind)
        except Exception as error:  # noqa: BLE001 -- a hundred services, and their exceptions quote what they were given
            raise AlertSendError(f"failed_{type(error).__name__}", permanent=False) from None
    if send.was_refused:
        raise AlertSendError("private_address", permanent=True)
    if not sent:
        raise AlertSendError("not_accepted", permanent=False)
