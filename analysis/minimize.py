"""Strip personal data from a text before anything leaves the building: deterministic, bounded, deny by default for long numbers.

The rules are in the modules `analysis.pii_*`; here is their order. docs/minimization.md says what is cut, what stays and what is missed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from analysis.base import MinimizedText
from analysis.pii_accounts import find_ibans
from analysis.pii_draft import Draft
from analysis.pii_fold import without_tags
from analysis.pii_labels import find_birth_dates, find_labelled, find_shaped_ids
from analysis.pii_links import find_links
from analysis.pii_mail import find_handles, find_mail, find_named_handles, find_spelled_mail
from analysis.pii_names import find_names
from analysis.pii_network import find_network_addresses
from analysis.pii_numbers import find_numbers
from analysis.pii_phones import find_extensions
from analysis.pii_spelled import find_spelled_numbers, find_tokens
from analysis.pii_words import heads_of

MINIMIZER_VERSION = "m2"
MAX_CHARS = 4096
# What is cut off at the end must not leave half a number that no rule knows any more.
_TAIL_CHARS = 64
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Minimized:
    """Text that may leave, what was cut by kind, and by which version of these rules."""

    text: MinimizedText = field(repr=False)
    counts: dict[str, int]
    version: str = MINIMIZER_VERSION


def minimize(text: str, *, region: str, known_names: Sequence[str] = (), more_regions: Sequence[str] = ()) -> Minimized:
    """The text without what identifies a person; prices, order numbers, dates and times survive.

    region: ISO country code that numbers without a prefix belong to. known_names: names known for this very contact.
    more_regions: further countries whose numbers are likely, such as that of the sender's own number.
    At most MAX_CHARS leave. What was minimized before comes back unchanged.
    """
    draft = Draft(without_tags(text[: MAX_CHARS + _TAIL_CHARS]))
    draft.apply(find_links(draft.shadow))
    draft.apply(find_mail(draft.shadow))
    draft.apply(find_spelled_mail(draft.shadow))
    heads = heads_of(draft.shadow)
    draft.apply(find_named_handles(draft.shadow, heads))
    draft.apply(find_handles(draft.shadow))
    draft.apply(find_names(draft, known_names))
    draft.apply(find_tokens(draft.shadow))
    draft.apply(find_spelled_numbers(draft.shadow, heads))
    if _DIGIT.search(draft.shadow):
        draft.apply(find_network_addresses(draft.shadow))
        draft.apply(find_ibans(draft.shadow))
        draft.apply(find_labelled(draft.shadow, heads))
        draft.apply(find_birth_dates(draft.shadow))
        draft.apply(find_shaped_ids(draft.shadow))
        find_numbers(draft, (region, *more_regions))
        draft.apply(find_extensions(draft.shadow))
    stripped, counts = draft.result(max_chars=MAX_CHARS)
    return Minimized(MinimizedText(stripped), counts)
