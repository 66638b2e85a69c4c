"""One scrape of all workers: each one counts by itself, and what they counted is added up.

The supervisor keeps the newest snapshot of each worker, and what ended workers have counted. A worker that is
scraped asks it for all of them. So no counter goes back when a worker is replaced. What a worker counts is
declared in `app.metrics`.
"""
