"""Requests to servers that tenants name: one client with a deadline, an egress guard and a signature."""
