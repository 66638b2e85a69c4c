"""The list of changes of the REST API, for programs and for people."""
