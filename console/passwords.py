"""Passwords: argon2id, computed in a thread of its own, so that every other page goes on meanwhile."""

import gevent
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

MIN_PASSWORD_CHARS, MAX_PASSWORD_CHARS = 12, 1024
_hasher = PasswordHasher()
# Checked where there is no such person or no password, so that the time says nothing about who exists.
_NOBODY = _hasher.hash("nobody")


def fits(password_hash: str | None, password: str) -> bool:
    """Whether it is the password; takes as long where there is none."""
    if not 0 < len(password) <= MAX_PASSWORD_CHARS:
        return False
    matches = bool(gevent.get_hub().threadpool.apply(_verify, (password_hash or _NOBODY, password)))
    return matches and password_hash is not None


def hash_password(password: str) -> str:
    """What is stored of it."""
    return str(gevent.get_hub().threadpool.apply(_hasher.hash, (password,)))


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (Argon2Error, InvalidHashError):
        return False


def why_unusable(password: str, again: str, *, email: str) -> str | None:
    """What is wrong with a new password, as the code of a notice; None when nothing is."""
    if len(password) < MIN_PASSWORD_CHARS:
        return "password_short"
    if len(password) > MAX_PASSWORD_CHARS:
        return "password_long"
    if password.lower() == email or len(set(password)) < 4:
        return "password_plain"
    return "password_differs" if password != again else None
