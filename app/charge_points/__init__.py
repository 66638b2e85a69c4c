"""Charge points: who they are, how they log in, and what they report of themselves."""
