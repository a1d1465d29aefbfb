"""What leaves, what never does, how long it is kept, and what the provider promises, as pages and API say it. English here."""

from collections.abc import Callable
from dataclasses import dataclass

from config.retention import Retention


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


_LEAVES = (
    _(
        "To the AI provider: the words of a message after personal data was cut out, at most 4,096 characters, with the few messages before it, cut in the same way."
    ),
    _(
        "Order, parcel, invoice and booking numbers stay in, when a word says what they are; so do prices, dates and times."
    ),
    _("Examples for the model: messages that people corrected, as they left when they came."),
    _(
        "To your own CRM: labels, counts, notes with the reasons of a decision and, unless the tenant file says otherwise, the newest summary."
    ),
    _(
        "To your own webhooks and alert targets: kinds, ids and figures; the customer’s words only where the tenant file says include_text."
    ),
    _(
        "To the webhooks that an administrator has added: ids and labels; the message without personal data and its summary only where they asked for it."
    ),
)
_NEVER_LEAVES = (
    _("Phone numbers, e-mail addresses, handles, profile links and the name the customer is known by."),
    _("Cards, bank accounts, national identities, passports, dates of birth, passwords, coordinates, plates."),
    _("Any other number of nine digits or more, unless the words around it say what it is."),
    _("Pictures, voice messages and files: only words are read."),
)
_MISSED = _(
    "It is done on this machine, by fixed rules. Known to be missed: names of other people, street addresses, some short local numbers, and names that are everyday words where nothing shows that they are names."
)
_FOR_DAYS = (
    (
        "raw_days",
        _("What channels sent, as it came: %(days)s days."),
        _("What channels sent, as it came: until it is erased."),
    ),
    (
        "text_days",
        _("Words, summaries and the texts of this ledger: %(days)s days after the message came."),
        _("Words, summaries and the texts of this ledger: until they are erased."),
    ),
    (
        "history_days",
        _("Messages with their labels and decisions: %(days)s days."),
        _("Labels and decisions: for ever, without words once those have gone."),
    ),
)
_KEPT = (
    _(
        "When a customer takes a message back, its words go from every table, from this ledger and from what was judged with it."
    ),
    _("Words that somebody tried in the laboratory: 30 days. What was written to the CRM: 90 days."),
    _(
        "When a customer is erased, nothing of them stays but labels and counts without a person; see the receipts below."
    ),
    _("Who read a conversation is noted, also from this page."),
)
_IN_OUR_WORDS = _(
    "In our words, as known when this version was made; what counts is the contract of whoever owns the API key."
)


@dataclass(frozen=True)
class Promise:
    """One term of the provider's, and where it stands."""

    text: str
    source: str


@dataclass(frozen=True)
class Facts:
    """All of it in one language. missed: what is known to slip through. in_our_words: how the terms are to be read."""

    leaves: list[str]
    never_leaves: list[str]
    missed: str
    kept: list[str]
    terms: list[Promise]
    in_our_words: str


_TERMS = (
    Promise(
        _(
            "Training: Anthropic’s Commercial Terms say that it may not train models on what its business customers send and get."
        ),
        "anthropic.com/legal/commercial-terms (2025-06-17)",
    ),
    Promise(
        _("Processing: a data processing addendum is part of these terms."),
        "anthropic.com/legal/data-processing-addendum",
    ),
    Promise(
        _(
            "Retention there: about 30 days for ordinary calls, none under a zero-retention contract; flagged misuse is kept longer."
        ),
        "privacy.claude.com",
    ),
)
_BATCHES = _(
    "Sweeps use batches, which lie there up to 29 days, also under a zero-retention contract. Earshot deletes each as soon as it is read."
)
_NO_BATCHES = _("Sweeps of yours use no batches, so nothing of them lies there.")


def tell_retention(say: Callable[[str], str], retention: Retention) -> list[str]:
    """How long a tenant keeps what, a sentence each."""
    told: list[str] = []
    for name, while_set, for_ever in _FOR_DAYS:
        days: int = getattr(retention, name)
        told.append(say(while_set) % {"days": days} if days else say(for_ever))
    return told


def tell_facts(say: Callable[[str], str], *, batches: bool, retention: Retention) -> Facts:
    """say: puts a text into the reader's language. batches: whether the tenant's sweeps use them. retention: how long it keeps what."""
    terms = (*_TERMS, Promise(_BATCHES if batches else _NO_BATCHES, "docs/sweeps.md"))
    return Facts(
        leaves=[say(one) for one in _LEAVES],
        never_leaves=[say(one) for one in _NEVER_LEAVES],
        missed=say(_MISSED),
        kept=[*tell_retention(say, retention), *(say(one) for one in _KEPT)],
        terms=[Promise(say(one.text), one.source) for one in terms],
        in_our_words=say(_IN_OUR_WORDS),
    )
