"""What keeps the verifier from its work. Pure."""


class JournalError(Exception):
    """The journal cannot be read: it is not there, or not what its format says."""


class Unavailable(Exception):
    """Something that is needed does not answer, or is not there."""
