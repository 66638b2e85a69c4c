"""Security events of charge points and of this server, and the alarms that critical ones raise."""
