"""The OpenAPI document under the tools of others: linters, and generators of clients."""
