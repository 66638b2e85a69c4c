"""The connections of charge points, from the handshake to the close, and the commands that go out on them."""
