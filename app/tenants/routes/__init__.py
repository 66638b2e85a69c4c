"""The REST operations of tenants and API keys."""
