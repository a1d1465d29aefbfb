"""The thin Flask application that stores signed webhooks before it acknowledges them."""
