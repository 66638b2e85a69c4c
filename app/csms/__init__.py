"""What the system decides: answers to charge points, commands to them. No sockets, no SQL, no Redis client here."""
