"""How a command says that it failed."""


class CommandError(Exception):
    """Printed as it is, then exit code 1. Whole sentences without secrets."""
