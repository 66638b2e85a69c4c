"""The benchmark kit: `python -m benchmarks`. What it measures and how stands in README.md beside this file."""
