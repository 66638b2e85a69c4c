"""SQL of certificates: who signs, what is asked for and issued, and what is installed."""
