"""The record: PostgreSQL behind repositories, the ledger (group commit) and the frame log.

A repository cannot exist without its tenant; no method takes one. Import from the modules below.
"""
