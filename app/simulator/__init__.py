"""Virtual charge points that talk to a central system over real WebSockets.

The logic of one charge point is pure: `machine` and what it uses take virtual time and return values.
`session` is the only module with a socket; `fleet` runs many sessions. The server never imports this.
"""
