"""Secrets at rest: AES-256-GCM, bound to tenant, table, column and key id."""

import base64
import binascii
import os
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
MAX_LIVE_KEYS = 2
FORMAT = b"\x01"


class SecretError(Exception):
    """A key or a ciphertext cannot be used. Names the place, never the content."""


def _bound_to(*, tenant_id: int, table: str, column: str, key_id: str) -> bytes:
    return f"{tenant_id}|{table}|{column}|{key_id}".encode()


@dataclass(frozen=True)
class Keyring:
    """The live keys, newest first: the first encrypts, all decrypt. A row's ciphertext opens nowhere but in its own place."""

    keys: tuple[tuple[str, bytes], ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """From `id:base64(32 bytes)`, comma-separated, newest first, at most two.

        Raises: SecretError naming EARSHOT_KEYS and what is wrong with it.
        """
        keys: list[tuple[str, bytes]] = []
        for part in text.split(","):
            key_id, _, encoded = part.strip().partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                key = b""
            if not key_id.isalnum() or len(key) != KEY_BYTES:
                message = "EARSHOT_KEYS must be id:base64(32 bytes), for example k1:…; two at most, comma-separated"
                raise SecretError(message)
            keys.append((key_id, key))
        if len(keys) > MAX_LIVE_KEYS or len({key_id for key_id, _ in keys}) != len(keys):
            message = "EARSHOT_KEYS holds more than two keys, or one id twice"
            raise SecretError(message)
        return cls(tuple(keys))

    def encrypt(self, plaintext: bytes, *, tenant_id: int, table: str, column: str) -> bytes:
        """Layout: format byte, length of the key id, key id, nonce, ciphertext with tag."""
        key_id, key = self.keys[0]
        nonce = os.urandom(NONCE_BYTES)
        bound = _bound_to(tenant_id=tenant_id, table=table, column=column, key_id=key_id)
        sealed = AESGCM(key).encrypt(nonce, plaintext, bound)
        return FORMAT + bytes([len(key_id)]) + key_id.encode() + nonce + sealed

    def decrypt(self, ciphertext: bytes, *, tenant_id: int, table: str, column: str) -> bytes:
        """Raises: SecretError when no live key fits, or when the bytes were copied from another place."""
        place = f"{table}.{column} of tenant {tenant_id}"
        ciphertext = bytes(ciphertext)
        if ciphertext[:1] != FORMAT:
            message = f"{place}: not a ciphertext of this program"
            raise SecretError(message)
        id_end = 2 + ciphertext[1]
        key_id = ciphertext[2:id_end].decode(errors="replace")
        key = dict(self.keys).get(key_id)
        if key is None:
            message = f"{place}: was encrypted with key {key_id!r}, which EARSHOT_KEYS does not hold"
            raise SecretError(message)
        nonce, sealed = ciphertext[id_end : id_end + NONCE_BYTES], ciphertext[id_end + NONCE_BYTES :]
        bound = _bound_to(tenant_id=tenant_id, table=table, column=column, key_id=key_id)
        try:
            return AESGCM(key).decrypt(nonce, sealed, bound)
        except InvalidTag:
            message = f"{place}: the ciphertext does not belong here or was changed"
            raise SecretError(message) from None
