"""Compares two versions of OCPP, and translates payloads of 1.6 to 2.0.1. Pure functions."""
