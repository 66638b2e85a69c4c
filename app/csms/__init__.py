"""What the system decides: answers to charge points, commands to them. No sockets, SQL or Redis here."""
