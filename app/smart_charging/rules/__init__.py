"""Decisions of smart charging: pure functions of what was read before."""
