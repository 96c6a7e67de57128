from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from console.stack.child import GUARD, Child, Children
from console.stack.errors import ChildDied, StackError, Stopping

# A command that starts a child of its own in another process group of the same session, as Spark's workers are; both ignore SIGTERM.
STUBBORN_FAMILY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if not child:
    os.setpgid(0, 0)
    open(sys.argv[1] + ".new", "w").write(f"{os.getppid()} {os.getpid()}")
    os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(120)
"""
PARENT = """
import sys, time
from pathlib import Path
from console.stack.child import Child
child = Child.start("family", [sys.executable, "-c", sys.argv[1], sys.argv[2]], log_path=Path(sys.argv[3]), grace_seconds=0.5)
time.sleep(120)
"""


@pytest.fixture
def children() -> Iterator[Children]:
    group = Children()
    yield group
    group.stop(1)


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def living(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def family(path: Path) -> list[int]:
    wait_for(path.exists)
    pids = [int(pid) for pid in path.read_text().split()]
    assert len(pids) == 2
    assert all(living(pid) for pid in pids)
    return pids


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def test_the_process_id_is_the_commands_own(tmp_path: Path, children: Children) -> None:
    child = children.start("sleeper", python("import time; time.sleep(60)"), log_path=tmp_path / "log")
    assert "time.sleep(60)" in " ".join(psutil.Process(child.pid).cmdline())
    assert child.alive


def test_a_command_leads_a_session_of_its_own_so_that_no_ctrl_c_reaches_it(tmp_path: Path, children: Children) -> None:
    child = children.start("sleeper", python("import time; time.sleep(60)"), log_path=tmp_path / "log")
    wait_for(lambda: os.getsid(child.pid) == child.pid)
    assert os.getsid(child.pid) != os.getsid(0)
    assert os.getsid(psutil.Process(child.pid).ppid()) != os.getsid(0)


def test_the_guard_starts_within_a_fraction_of_a_second(tmp_path: Path, children: Children) -> None:
    times = []
    for number in range(3):
        began = time.monotonic()
        children.start(f"sleeper{number}", ["sleep", "60"], log_path=tmp_path / "log")
        times.append(time.monotonic() - began)
    assert min(times) < 0.3


def test_a_command_that_ends_in_order_at_sigterm_is_given_time_for_it(tmp_path: Path, children: Children) -> None:
    code = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\nprint('ready', flush=True)\ntime.sleep(60)"
    child = children.start("orderly", python(code), log_path=tmp_path / "log")
    wait_for(lambda: "ready" in child.log())
    child.stop(10)
    assert child.exit_code == 7


def test_what_ignores_sigterm_is_killed_after_the_grace_with_all_that_it_started(tmp_path: Path, children: Children) -> None:
    child = children.start("stubborn", python(STUBBORN_FAMILY, str(tmp_path / "pids")), log_path=tmp_path / "log")
    pids = family(tmp_path / "pids")
    began = time.monotonic()
    child.stop(0.5)
    assert time.monotonic() - began < 10
    assert not any(living(pid) for pid in pids)
    assert child.exit_code == 128 + signal.SIGKILL


def test_when_the_parent_is_killed_nothing_is_left(tmp_path: Path) -> None:
    parent = subprocess.Popen(python(PARENT, STUBBORN_FAMILY, str(tmp_path / "pids"), str(tmp_path / "log")))
    pids = family(tmp_path / "pids")
    guard = psutil.Process(pids[0]).ppid()
    parent.kill()
    parent.wait()
    wait_for(lambda: not any(living(pid) for pid in [*pids, guard]), 10)


def test_when_the_guard_gets_sigterm_nothing_is_left(tmp_path: Path, children: Children) -> None:
    child = children.start("stubborn", python(STUBBORN_FAMILY, str(tmp_path / "pids")), log_path=tmp_path / "log", grace_seconds=0.5)
    pids = family(tmp_path / "pids")
    os.kill(psutil.Process(child.pid).ppid(), signal.SIGTERM)
    wait_for(lambda: not any(living(pid) for pid in pids), 10)
    wait_for(lambda: not child.alive)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_when_the_guard_itself_is_killed_the_command_ends(tmp_path: Path, children: Children) -> None:
    child = children.start("sleeper", ["sleep", "60"], log_path=tmp_path / "log")
    wait_for(lambda: psutil.Process(child.pid).name() == "sleep")
    os.kill(psutil.Process(child.pid).ppid(), signal.SIGKILL)
    wait_for(lambda: not living(child.pid))


def test_when_a_command_ends_what_it_left_behind_is_ended_too(tmp_path: Path, children: Children) -> None:
    code = "import os, time\nif os.fork():\n    os._exit(3)\nprint(os.getpid(), flush=True)\ntime.sleep(60)"
    child = children.start("careless", python(code), log_path=tmp_path / "log")
    wait_for(lambda: not child.alive)
    assert child.exit_code == 3
    left = re.findall(r"\d+", child.log())
    assert not any(living(int(pid)) for pid in left)


def test_one_childs_guard_does_not_keep_another_childs_channel_open(tmp_path: Path, children: Children) -> None:
    first = children.start("first", ["sleep", "60"], log_path=tmp_path / "log")
    children.start("second", ["sleep", "60"], log_path=tmp_path / "log")
    first._channel.close()  # as if this process had ended for the first child only
    wait_for(lambda: not first.alive, 10)


def test_a_held_descriptor_stays_with_the_guard_and_not_with_the_command(tmp_path: Path) -> None:
    read, write = os.pipe()
    try:
        child = Child.start("sleeper", ["sleep", "60"], log_path=tmp_path / "log", guard_holds=(write,))
        wait_for(lambda: psutil.Process(child.pid).name() == "sleep")
        pipe = os.fstat(write)[1:3]

        def holders(pid: int) -> int:
            descriptors = Path(f"/proc/{pid}/fd").iterdir() if sys.platform == "linux" else []
            return sum(os.stat(descriptor)[1:3] == pipe for descriptor in descriptors)

        if sys.platform == "linux":
            assert holders(psutil.Process(child.pid).ppid()) == 1
            assert holders(child.pid) == 0
        child.stop(1)
    finally:
        os.close(read)
        os.close(write)


def test_a_death_is_told_with_exit_code_log_file_and_the_logs_last_lines(tmp_path: Path, children: Children) -> None:
    code = "import sys\nfor line in range(100): print('line', line)\nsys.exit(5)"
    child = children.start("talker", python(code), log_path=tmp_path / "talker.log")
    wait_for(lambda: not child.alive)
    with pytest.raises(ChildDied) as death:
        children.check()
    sentence = str(death.value)
    assert "talker" in sentence
    assert "exit code 5" in sentence
    assert str(tmp_path / "talker.log") in sentence
    assert sentence.endswith("line 99")
    assert "line 79" not in sentence
    assert death.value.exit_code == 3


def test_a_death_by_a_signal_names_the_signal(tmp_path: Path, children: Children) -> None:
    child = children.start("victim", ["sleep", "60"], log_path=tmp_path / "log")
    os.kill(child.pid, signal.SIGKILL)
    wait_for(lambda: not child.alive)
    with pytest.raises(ChildDied, match="signal 9"):
        child.check()


def test_a_command_that_does_not_exist_is_a_death_with_its_reason(tmp_path: Path, children: Children) -> None:
    child = children.start("nothing", ["/nonexistent/program"], log_path=tmp_path / "log")
    wait_for(lambda: not child.alive)
    with pytest.raises(ChildDied, match="/nonexistent/program cannot be started"):
        child.check()


def test_the_tail_holds_nothing_of_an_earlier_run_in_the_same_file(tmp_path: Path, children: Children) -> None:
    (tmp_path / "log").write_text("of an earlier run\n")
    child = children.start("talker", python("print('of this run')"), log_path=tmp_path / "log")
    wait_for(lambda: not child.alive)
    assert child.tail() == ["of this run"]


def test_stopping_stops_all_at_the_same_time(tmp_path: Path) -> None:
    children = Children()
    code = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(60)"
    started = [children.start(f"stubborn{number}", python(code), log_path=tmp_path / f"{number}.log") for number in range(4)]
    wait_for(lambda: all("ready" in child.log() for child in started))
    began = time.monotonic()
    children.stop(1)
    assert time.monotonic() - began < 3.5
    assert not any(living(child.pid) for child in started)


def test_nothing_is_started_once_the_stop_has_begun(tmp_path: Path) -> None:
    children = Children()
    children.stop()
    with pytest.raises(Stopping):
        children.start("late", ["sleep", "60"], log_path=tmp_path / "log")


def test_who_waits_for_a_child_gives_up_when_the_stop_begins(tmp_path: Path) -> None:
    children = Children()
    child = children.start("sleeper", ["sleep", "60"], log_path=tmp_path / "log")
    threading.Timer(0.2, children.stop).start()
    with pytest.raises((Stopping, ChildDied)):
        children.wait_until(lambda: False, child, "the impossible", 30)


def test_a_start_that_takes_too_long_is_told_with_the_log(tmp_path: Path, children: Children) -> None:
    child = children.start("slow", python("import time; print('still busy', flush=True); time.sleep(60)"), log_path=tmp_path / "log")
    wait_for(lambda: "busy" in child.log())
    with pytest.raises(StackError, match=r"(?s)The start of slow did not come about within 0.1 s.*still busy"):
        children.wait_until(lambda: False, child, "The start of slow", 0.1)


def test_the_exit_code_of_a_command_that_is_expected_to_end_is_returned_and_the_child_forgotten(tmp_path: Path, children: Children) -> None:
    child = children.start("short", python("raise SystemExit(4)"), log_path=tmp_path / "log")
    assert children.finish(child, 30) == 4
    assert list(children) == []
    children.check()


def test_the_guard_imports_nothing_but_the_standard_library() -> None:
    imported = set(re.findall(r"^\s*(?:import|from) (\w+)", GUARD.read_text(), re.MULTILINE))
    assert imported
    assert imported <= sys.stdlib_module_names
