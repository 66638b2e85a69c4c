"""What stops a simulation before it has begun."""


class SimulatorError(Exception):
    """The run cannot start. The text is one line and says what to do."""
