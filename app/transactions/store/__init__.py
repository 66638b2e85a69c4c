"""The ledger: group commit of starts, stops and meter values."""
