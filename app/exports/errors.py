"""The error of an export."""


class ExportError(Exception):
    """An export cannot begin, or has failed. The text is one line and says what to do."""
