"""Local authorization lists: the tags that charge points know by themselves (OCPP 1.6 3.5)."""
