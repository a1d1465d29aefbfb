"""The queues every tenant has."""

QUEUES = {
    "senior": "urgent and delicate conversations, for experienced agents",
    "support": "the ordinary queue",
    "engineering": "something does not work",
    "sales": "prices and purchases",
    "customer_success": "customers who think of leaving",
    "review": "the analysis is unsure or there is none: a person decides",
    "not_yet_analysed": "waits for the model, clocks running",
    "auto": "handled by an automation, nobody needs to look",
}
