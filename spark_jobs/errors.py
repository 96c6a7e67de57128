"""What ends a job, each with its exit code. The message is a sentence that says what to do."""


class LandError(Exception):
    """A job cannot go on."""

    exit_code = 1


class Refused(LandError):
    """Going on could lose rows or land them twice: a person has to decide."""

    exit_code = 1


class LostRecords(Refused):
    """Kafka no longer has what was to be landed next."""


class Misconfigured(LandError):
    """The configuration asks for something that cannot be done, or what it needs was never set up: starting again does not help."""

    exit_code = 2


class Unavailable(LandError):
    """Something that the job depends on does not answer; starting again later goes on where it stopped."""

    exit_code = 3
