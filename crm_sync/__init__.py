"""Customer labels and events, written to the tenant's CRM."""
