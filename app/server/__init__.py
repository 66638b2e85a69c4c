"""The processes of a server (supervisor, fork server, workers) and its embedded engines."""
