"""Simulates a day on a site with forty charge points, without sockets: the distributor limits the cars.

Everything is computed from a seed in integers, so that the same seed gives the same day everywhere. The
distributor knows what a central system would know: measurements that are one step old.
"""
