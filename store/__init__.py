"""Postgres, the truth: all SQL of the project."""
