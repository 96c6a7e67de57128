"""Runs one command and makes sure that it does not outlive the process that asked for it.

    python -I -S guard.py CHANNEL GRACE_SECONDS COMMAND [ARGUMENT ...]

CHANNEL is the number of an inherited stream socket whose other end only the parent holds, followed, after commas, by numbers of
descriptors that shall stay open until nothing of the command is left (a lock). The guard writes the command's process id
and a newline to it. The command is stopped when the parent writes a number of seconds and a newline, when the channel closes (the
parent has ended, however it ended), and at SIGTERM or SIGHUP.

Stopping: SIGTERM to the command, which may need its own children to end in order; when it is gone, or after the grace, whatever is
left of its session gets SIGTERM and then SIGKILL. The command leads a session of its own, so that a Ctrl-C in the terminal reaches
neither it nor the guard. On Linux the command also dies when the guard itself is killed.

The exit code is the command's, 128 + n if signal n ended it, 127 if it could not be started. Standard library only, no package
imports: this file is run by its path and starts in some 20 ms.
"""

import os
import select
import signal
import sys
import time
from contextlib import suppress

POLL_SECONDS = 0.03
LEFTOVER_GRACE_SECONDS = 2.0
PR_SET_PDEATHSIG = 1


def spawn(command: list[str]) -> int:
    guard = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        die_with(guard)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.execvp(command[0], command)  # noqa: S606 - running a command is what this program is for
    except OSError as error:
        os.write(2, f"{command[0]} cannot be started: {error}\n".encode())
    finally:
        os._exit(127)


def die_with(guard: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != guard:  # the guard was gone before the line above took effect
        os._exit(127)


def session(leader: int) -> list[int]:
    """Living processes of the leader's session; where there is no /proc, the leader's process group as one negative number."""
    if not os.path.isdir("/proc/self"):
        try:
            os.killpg(leader, 0)
        except OSError:
            return []
        return [-leader]
    members = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                state, _parent, _group, sid = file.read().rpartition(b")")[2].split()[:4]
        except OSError:  # it has just ended
            continue
        if int(sid) == leader and state not in (b"Z", b"X"):
            members.append(int(entry))
    return members


def send(members: list[int], number: int) -> None:
    for member in members:
        with suppress(ProcessLookupError):
            os.kill(member, number)


class Command:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.exit_code: int | None = None

    def ended(self) -> bool:
        if self.exit_code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self.exit_code = code if code >= 0 else 128 - code
        return self.exit_code is not None

    def stop(self, grace_seconds: float) -> int:
        if not self.ended():
            send([self.pid], signal.SIGTERM)
            deadline = time.monotonic() + grace_seconds
            while not self.ended() and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
        if self.ended():  # in order: give its children, if it left any, a moment
            send(session(self.pid), signal.SIGTERM)
            deadline = time.monotonic() + LEFTOVER_GRACE_SECONDS
            while session(self.pid) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
        while left := session(self.pid):
            send(left, signal.SIGKILL)
            self.ended()
            time.sleep(POLL_SECONDS)
        while not self.ended():
            time.sleep(POLL_SECONDS)
        assert self.exit_code is not None
        return self.exit_code


def main() -> int:
    held, grace_seconds, command_line = [int(number) for number in sys.argv[1].split(",")], float(sys.argv[2]), sys.argv[3:]
    for descriptor in held:
        os.set_inheritable(descriptor, False)
    channel = held[0]
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    ordered = []
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: ordered.append(number))
    command = Command(spawn(command_line))
    with suppress(OSError):  # the parent may be gone already; the loop below finds out
        os.write(channel, b"%d\n" % command.pid)
    while True:
        readable, _, _ = select.select([channel, wake_read], [], [])
        if wake_read in readable:
            os.read(wake_read, 4096)
        if channel in readable:
            try:
                order = os.read(channel, 64)
            except OSError:
                order = b""
            return command.stop(float(order) if order else grace_seconds)
        if ordered or command.ended():
            return command.stop(grace_seconds)


if __name__ == "__main__":
    sys.exit(main())
