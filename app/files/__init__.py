"""Files: firmware that charge points download, and logs that they upload."""
