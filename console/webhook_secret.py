"""The secret that signs the requests of a tenant's webhook action: it can be set, and is never read back."""

from config.action_checks import MIN_SECRET_CHARS
from store.action_secrets import put_action_secret
from store.conversation_events import Actor
from store.db import Connection
from store.secrets import Keyring
from store.tenant_settings import ChangedIn, note_changed_part

MAX_SECRET_CHARS = 200
KIND = "webhook"


def why_unusable(secret: str) -> str | None:
    """What is wrong with a secret and what to do, without quoting it; None when it may be used."""
    if not MIN_SECRET_CHARS <= len(secret) <= MAX_SECRET_CHARS:
        return f"must have {MIN_SECRET_CHARS} to {MAX_SECRET_CHARS} characters, so that nobody guesses it"
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        return "must be visible ASCII characters without blanks; make one with: openssl rand -hex 32"
    return None


def set_webhook_secret(
    conn: Connection, tenant_id: int, secret: str, *, keyring: Keyring, by: Actor, changed_in: ChangedIn
) -> None:
    """Store it encrypted, and note who did. Needs the system scope, acting for the tenant."""
    put_action_secret(conn, tenant_id, KIND, secret=secret, keyring=keyring)
    note_changed_part(
        conn, tenant_id, part="actions.webhook.secret", deed="action_secret_set", by=by, changed_in=changed_in
    )
