"""The certification cases of a central system, each on a real socket. A test's name carries its case."""
