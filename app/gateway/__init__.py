"""The charge-point edge: sockets, sessions, and the way from the command bus to a socket."""
