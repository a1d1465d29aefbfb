"""Numbers in addresses: those that a row can have."""

from werkzeug.routing import IntegerConverter


class RowNumber(IntegerConverter):
    """What `<int:…>` takes: digits of the ASCII kind, and no more of them than fit a bigint; anything else is no such page."""

    regex = "[0-9]{1,18}"
