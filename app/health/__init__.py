"""Whether this server can do its work: named checks, for balancers and containers. It repairs nothing."""
