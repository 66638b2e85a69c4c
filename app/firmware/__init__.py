"""Firmware updates: jobs of charge points, signed firmware, and campaigns that go in waves."""
