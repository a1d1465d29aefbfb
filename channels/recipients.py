"""Which of a customer's identities a message is addressed to."""

from channels.base import ChannelError, Identity, IdentityKind


def pick(recipient: tuple[Identity, ...], *kinds: IdentityKind) -> Identity:
    """The first identity of the first kind that the customer has.

    Raises: ChannelError("no_recipient") when there is none.
    """
    for kind in kinds:
        for identity in recipient:
            if identity.kind == kind:
                return identity
    raise ChannelError("no_recipient", permanent=True)
