"""The API for work queues, conversations, agents and alerts: one module per resource."""
