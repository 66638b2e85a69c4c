"""SQL of transactions: `reading` for a tenant; the other modules are the steps of a batch of the ledger.

A step is one statement for all records of a batch, whatever their number: arrays go in by `unnest`, meter
values as JSON.
"""
