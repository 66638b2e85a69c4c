"""Webhooks: events are sent to servers of tenants, after the convention of Standard Webhooks."""
