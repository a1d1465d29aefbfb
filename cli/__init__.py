"""The `earshot` command line."""
