"""The one error of the lab."""


class LabError(RuntimeError):
    """The local Kafka cannot do what was asked. The message is meant for the user."""
