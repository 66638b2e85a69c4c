"""Pictures of each screen of the console for the documentation: `python -m tools.pictures`."""
