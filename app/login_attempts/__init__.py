"""Refused logins of charge points: why each was refused, and what an operator can do about it."""
