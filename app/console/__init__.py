"""The console: pages for the people who run charge points, rendered on the server.

A screen is one template and one module in `routes`. It asks the services that REST uses.
"""
