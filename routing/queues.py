"""The queues every tenant has, in the order a page lists them, with the one line that says what each is for."""

from routing.facts import Queue

QUEUES: dict[Queue, str] = {
    "senior": "urgent and delicate conversations, for experienced agents",
    "support": "the ordinary queue",
    "engineering": "something does not work",
    "sales": "prices and purchases",
    "customer_success": "customers who think of leaving",
    "review": "the analysis is unsure, doubtful or missing: a person decides",
    "not_yet_analysed": "waits for the model, clocks running",
    "auto": "handled by an automation, nobody needs to look",
}
