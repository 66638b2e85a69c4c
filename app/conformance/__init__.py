"""The certification cases of OCPP 1.6 for central systems, and the results of the last run of them."""
