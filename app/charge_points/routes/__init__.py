"""REST operations of charge points."""
