-- What rules look at and what they say beside queue and priority.

-- tier: the customer's level by the name that the CRM gives it ("gold", "enterprise" …); NULL: none is known.
ALTER TABLE customer ADD COLUMN tier text;

-- trials: what rules that are only tried would have decided, [{"rule", "queue", "priority", "actions"}].
ALTER TABLE routing_decision
    ADD COLUMN skill text,
    ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
    ADD COLUMN trials jsonb NOT NULL DEFAULT '[]';
