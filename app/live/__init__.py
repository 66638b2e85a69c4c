"""The live state in Redis: which worker holds which connection, and the bus between workers.

If Redis loses it, the workers write it again from their sockets.
"""
