"""Virtual charge points that talk to a central system over real WebSockets.

The logic of one charge point is pure: `charge_point` and what it uses take virtual time and return values.
`client` is the only module with a socket; `fleet` runs many clients. The server never imports this package.
"""
