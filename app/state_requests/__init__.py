"""Asks charge points for their state after a login, and for configuration keys that they leave out."""
