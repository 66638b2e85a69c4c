"""Commands to charge points, as resources with a state machine."""
