"""Charging profiles: what is stored, what is on a charge point, and what follows from it."""
