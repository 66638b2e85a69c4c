"""The error that stops a simulation before it starts."""


class SimulatorError(Exception):
    """The run cannot start. Its text is one line that says what to do."""
