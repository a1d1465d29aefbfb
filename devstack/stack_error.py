"""The one exception of this package."""


class StackError(Exception):
    """The stack cannot start or go on; the text says what to do, and names places, never secrets."""
