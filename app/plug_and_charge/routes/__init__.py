"""REST operations about Plug & Charge."""
