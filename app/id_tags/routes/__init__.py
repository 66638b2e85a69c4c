"""REST operations of id tags."""
