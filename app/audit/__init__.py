"""The audit: who has changed a record by hand, and why. An entry is never changed."""
