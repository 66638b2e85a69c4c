"""The web pages: rendered on the server from the same values that the API serves, once, at start.

No script, no external asset. `pages` renders, `routes` serves, `drawing` computes the message flow.
"""

from app.catalog.pages.routes import console_routes

__all__ = ["console_routes"]
