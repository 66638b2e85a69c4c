"""The benchmark kit: `python -m benchmarks`. README.md says what it measures, and how."""
