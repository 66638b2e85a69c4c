"""SQL of firmware jobs and campaigns."""
