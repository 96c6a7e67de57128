"""What can go wrong, as one tree; the first level says what to do.

BridgeError
├── PIUnavailable    try again: PI or the way to it fails for the moment
│   ├── PITooLarge   ask for less: more than PI gives, or than we take, in one answer
│   └── PIArchiveAway   set the range aside for a day: the archive that should hold it is not there
├── PIRefused        stop asking this: PI understood and said no (rights, unknown object, unsupported call)
│   ├── PIUntrusted  what answers cannot prove to be PI: nothing was sent to it
│   └── PINotLetIn   there are no credentials that PI would take
├── PIUnreadable     set aside: bytes that cannot be understood, a dead letter
├── ShardLost        give the shard up: another owner has it, or a commit's outcome is unknown
├── NotReady         stop: a topic, a subject or a setting is missing or not what it was
└── Unreachable      stop: something the bridge needs at its start does not answer
"""


class BridgeError(Exception):
    """Any failure that the bridge names; the message says what happened, to which object, and what to do."""


class PIUnavailable(BridgeError):
    """PI did not answer, or answered that it cannot now; `retry_after_seconds` is its own wish, if it had one."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class PITooLarge(PIUnavailable):
    """More was asked for than goes into one answer; what was not asked for as a whole can be asked for in parts."""


class PIArchiveAway(PIUnavailable):
    """PI answers, and shows that the archive of the range is not there: "No Data" just where the request began or ended, or nothing at all
    where an event is known to be.
    """


class PIRefused(BridgeError):
    """PI understood the request and refused it; asking again as it stands will not help. `status` is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class PIUntrusted(PIRefused):
    """The certificate is not trusted, or is made out to another host: no request, and no credentials, were sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 0)


class PINotLetIn(PIRefused):
    """No credentials that could be shown to PI: the token endpoint refused, or a token is none."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 401)


class PIUnreadable(BridgeError):
    """Something PI sent cannot be understood. `ticks` is the instant concerned, where that much could be read."""

    def __init__(self, message: str, ticks: int | None = None) -> None:
        super().__init__(message)
        self.ticks = ticks


class ShardLost(BridgeError):
    """An incarnation of a shard must end. `fenced` says that another producer took its place."""

    def __init__(self, message: str, fenced: bool = False) -> None:
        super().__init__(message)
        self.fenced = fenced


class Unreachable(BridgeError):
    """The registry does not answer; the message says which, and how it failed."""


class NotReady(BridgeError):
    """Kafka or the registry lacks something that a person has to set up; the message names the command."""
