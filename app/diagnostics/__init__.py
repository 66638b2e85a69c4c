"""Diagnostics and logs that charge points upload."""
