"""Certificates of charge points: who signs them, which roots they have, and what will fail when."""
