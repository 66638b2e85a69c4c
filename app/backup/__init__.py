"""Backups of a server: its database, its folder of files, and a manifest. The command line uses it.

A backup is a folder: `manifest.json`, `database.dump` (custom format of pg_dump), `files`, and `pepper` if
the operator asks for that. Redis is not in it, because it is rebuilt from the database. No server runs this.
"""
