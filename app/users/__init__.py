"""The people of a tenant: their roles, passwords, login links and sessions in a browser."""
