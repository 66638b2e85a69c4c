"""Shapes of requests and answers of smart charging."""
