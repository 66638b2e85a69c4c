"""The live state in Redis: which worker holds which connection, and the bus between workers. Rebuildable."""
