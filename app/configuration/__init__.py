"""Configuration keys as charge points reported them."""
