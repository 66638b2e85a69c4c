"""Use cases of Plug & Charge."""
