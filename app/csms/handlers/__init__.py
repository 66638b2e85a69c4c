"""One module per action of the charge point: `handle(context, connection, request) -> response`."""
