"""Decisions about certificates. They compute for some milliseconds, so callers run them next to the loop."""
