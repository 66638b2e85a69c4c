"""The public catalog of protocols: what their pages state, and what the core derives, as cached documents.

`entry` holds the facts, `definition` what the core knows, `catalog` joins them, `documents` sends bytes.
Nothing here needs a key, a database or Redis.
"""
