"""The parts that all REST routes share."""
