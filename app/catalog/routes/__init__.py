"""The catalog in the API: the routes below `/v1/protocols`, all answered without a key."""
