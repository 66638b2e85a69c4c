"""The decisions about firmware jobs, campaigns, locations and signatures, as pure functions."""
