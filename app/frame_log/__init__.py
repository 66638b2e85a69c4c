"""The frame log: the messages of connections, kept for people who look for a fault."""
