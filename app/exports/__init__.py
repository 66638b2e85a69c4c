"""Exports: months of meter values as Parquet files, after which the database may drop them."""
