"""Tests of refused logins."""
