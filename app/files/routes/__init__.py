"""REST operations on files, and the URLs by which charge points transfer them."""
