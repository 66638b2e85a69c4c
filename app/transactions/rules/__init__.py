"""Decide what starts and stops mean: repeats, permissions, remote starts, which transaction a stop closes.

Pure functions over records. The store finds what they are given, and writes what they decide. One decision is
made in SQL, because it is needed for each sample: see `store.meter_values`.
"""
