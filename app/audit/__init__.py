"""The audit: who has changed a record by hand, and why; and who has logged in. An entry is never changed."""
