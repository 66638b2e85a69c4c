"""The frame log: the messages of a connection, kept for people who look for a fault."""
