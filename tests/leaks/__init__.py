"""What looks for customers' and tenants' secrets where they may not be: one module a kind of place."""
