"""Measurements, each run by one command and printed beside a baseline."""
