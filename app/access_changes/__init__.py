"""Accesses that end: of a revoked key, a replaced credential, a suspended tenant. All workers follow."""
