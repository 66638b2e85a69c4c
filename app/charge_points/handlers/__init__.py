"""Answers to messages about the charge point itself: one module per action."""
