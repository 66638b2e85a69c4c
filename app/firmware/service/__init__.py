"""The use cases of firmware updates and campaigns."""
