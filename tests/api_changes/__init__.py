"""Tests of the list of changes of the API."""
