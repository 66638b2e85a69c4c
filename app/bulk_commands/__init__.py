"""One command to many charge points, as a resource with progress."""
