"""Answers to billing messages: one module per action."""
