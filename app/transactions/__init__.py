"""Transactions: starts, stops and meter values of charge points, kept for billing."""
