"""The habits of real charge points that differ from the standard, by vendor, model and firmware."""
