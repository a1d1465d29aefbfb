"""Three invented tenants and a day of their customers."""
