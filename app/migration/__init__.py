"""From one version of OCPP to another: differences, the mapping from 1.6 to 2.0.1, and translated frames.

`data` has the mapping as facts, `records` their types, `mapping` reads them. `rules` compares and translates.
Nothing here takes part in a session with a charge point.
"""
