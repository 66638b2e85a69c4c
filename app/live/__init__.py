"""The live state in Redis: who is connected where, and the bus that carries commands there. Rebuildable."""
