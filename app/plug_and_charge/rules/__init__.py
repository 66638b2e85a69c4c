"""Decisions about Plug & Charge, as pure functions."""
