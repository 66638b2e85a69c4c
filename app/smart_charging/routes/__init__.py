"""REST operations of smart charging."""
