"""REST operations about firmware."""
