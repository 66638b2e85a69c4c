"""The catalog as web pages, without scripts and without anything from elsewhere.

`rendering` makes every page once, at start, from the values that the API serves and the files in `templates`.
`drawing` computes the picture of the message flow. `routes` serves the pages.
"""
