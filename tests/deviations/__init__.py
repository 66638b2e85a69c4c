"""Tests of deviations from the standard."""
