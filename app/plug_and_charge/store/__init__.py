"""SQL of Plug & Charge."""
