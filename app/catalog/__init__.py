"""The public catalog of protocols, in the API and as web pages. It needs no key, no database and no Redis.

`entry` reads the facts of a protocol from `entries/*.toml`, `definition` reads what the core describes, and
`catalog` joins the two. `routes` serves the result as JSON, `pages` as HTML; the page of a message is made by
`pages.rendering`. `judgement` judges frames and payloads.
"""
