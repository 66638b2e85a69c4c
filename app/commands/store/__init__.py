"""SQL of commands."""
