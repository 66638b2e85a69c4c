"""The processes of a server, and its embedded engines."""
