"""Servers on loopback that speak the providers' real protocols. They share no code with the product."""
