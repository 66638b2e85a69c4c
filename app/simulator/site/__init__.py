"""A day on a site with forty charge points, without sockets: the distributor steers simulated cars.

Everything is computed from a seed in integers, so that the same seed gives the same day everywhere. The
distributor sees what a central system would see: measurements one step old. Only the command line uses this.
"""
