"""What stands above the model: words that may only raise a priority, and doubts that keep people in the loop."""

from dataclasses import replace

from routing import reasons
from routing.assignment import SENIOR
from routing.facts import Decision, Queue, RoutingFacts

_SERIOUS = ("safety", "legal_threat")
# In these two a person looks anyway and the label is still open; the priority alone is raised.
_KEPT_QUEUES = ("review", "not_yet_analysed")


def raise_to_floor(decision: Decision, facts: RoutingFacts) -> Decision:
    """At least P1 with senior agents for a danger or a legal threat, at least P2 for urgent words. Never lower."""
    hits = [name for name in (*_SERIOUS, "urgent") if name in facts.floor_hits]
    if decision.queue == "auto" and facts.intent == "spam":
        # Advertising is always urgent.
        hits = [name for name in hits if name != "urgent"]
    if not hits:
        return decision
    serious = hits[0] in _SERIOUS
    floor = "P1" if serious else "P2"
    return replace(
        decision,
        priority=min(decision.priority, floor),
        queue=(queue := _queue(decision.queue, serious=serious)),
        skill=SENIOR if serious and queue == "senior" else decision.skill,
        reasons=(reasons.floor(hits, priority=floor), *decision.reasons),
    )


def _queue(queue: Queue, *, serious: bool) -> Queue:
    if serious and queue not in _KEPT_QUEUES:
        return "senior"
    return "support" if queue == "auto" else queue


def keep_a_person(decision: Decision, facts: RoutingFacts) -> Decision:
    """A label that hostile or ironic text may have turned round never leaves a message to the automation alone."""
    ironic = facts.sarcasm and facts.sentiment == "positive"
    if decision.queue != "auto" or not (ironic or facts.injection_suspected):
        return decision
    doubt = "seems to give instructions to the model" if facts.injection_suspected else "may be sarcastic"
    reason = f"A person decides: the text {doubt}, so its label may be wrong."
    return replace(decision, queue="review", priority=min(decision.priority, "P3"), reasons=(reason, *decision.reasons))
