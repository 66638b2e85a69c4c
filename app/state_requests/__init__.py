"""What the server asks charge points by itself: their state after a login, and keys that they leave out."""
