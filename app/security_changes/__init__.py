"""Changes of the security of charge points: new keys, higher security profiles, minima of profiles."""
