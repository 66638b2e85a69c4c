"""Programs for developers, called by make. Nothing of them is part of the server."""
