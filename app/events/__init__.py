"""Events: what changed, kept in the transaction of the change, read in one order that never skips any."""
