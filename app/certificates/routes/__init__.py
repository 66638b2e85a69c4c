"""REST operations about certificates."""
