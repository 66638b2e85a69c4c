"""What all REST routes share."""
