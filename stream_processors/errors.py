"""What ends the processors, each with its exit code. The message says what happened, to which object, and what to do."""


class ProcessorsError(Exception):
    """The processors cannot go on."""

    exit_code = 3


class NotReady(ProcessorsError):
    """A topic, a subject or a setting is missing, or not as it must be: a person has to act."""

    exit_code = 2


class Unavailable(ProcessorsError):
    """Kafka or the registry does not answer, or went away: starting again later goes on where it stopped."""
