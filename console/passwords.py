"""Passwords: argon2id, computed in a thread of its own, so that every other page goes on meanwhile."""

import gevent
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

MIN_PASSWORD_CHARS, MAX_PASSWORD_CHARS = 12, 1024
# Of 4: "safely unguessable" where guesses are slow, as they are with argon2 and limited sign-ins. What comes after so many characters
# makes none easier to guess.
MIN_SCORE, JUDGED_CHARS = 3, 72
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
    if gevent.get_hub().threadpool.apply(_is_guessable, (password, email)):
        return "password_plain"
    return "password_differs" if password != again else None


def _is_guessable(password: str, email: str) -> bool:
    """Whether it is among what is tried first: common passwords and words with the usual changes, keys in a row, dates, the own address."""
    from zxcvbn import zxcvbn  # its lists of words take a while to load, and few requests set a password

    own = [email, *email.split("@"), "earshot"]
    judged = zxcvbn(password[:JUDGED_CHARS], user_inputs=own)
    return judged["score"] < MIN_SCORE
