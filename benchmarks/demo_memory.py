"""Memory of the whole demo: runs it, and adds up the proportional set size of its processes each second.

`python benchmarks/demo_memory.py [options of pibridge demo]` prints one JSON object: the result of the demo, the greatest sum, its shares.
"""

import json
import subprocess
import sys

import psutil


def pss_bytes(root: psutil.Process) -> dict[str, int]:
    """Proportional set size of a process and all below it, by name and process id."""
    sizes = {}
    for process in [root, *root.children(recursive=True)]:
        try:
            command = process.cmdline()
            parent = process.parent()
            if process != root and parent is not None and command == parent.cmdline():
                continue  # forked and not yet another program: its memory is its parent's
            sizes[f"{name_of(command)} {process.pid}"] = process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # it ended between two looks
    return sizes


def name_of(command: list[str]) -> str:
    """What a process is, in a word or two."""
    text = " ".join(command)
    names = {"kafka.Kafka": "kafka", "quarkus": "registry", "SparkSubmit": "spark driver", "guard.py": "guard", "uc-server": "catalog"}
    for mark, name in names.items():
        if mark in text:
            return name
    return command[command.index("-m") + 1] if "-m" in command else (command or ["?"])[0].rsplit("/", 1)[-1]


def main() -> int:
    demo = subprocess.Popen([sys.executable, "-m", "console", "demo", "--json", *sys.argv[1:]], stdout=subprocess.PIPE, text=True)
    root = psutil.Process(demo.pid)
    greatest: dict[str, int] = {}
    while True:
        try:
            output, _ = demo.communicate(timeout=1.0)
            break
        except subprocess.TimeoutExpired:
            sizes = pss_bytes(root)
            if sum(sizes.values()) > sum(greatest.values()):
                greatest = sizes
    mib = {name: round(size / 2**20) for name, size in sorted(greatest.items(), key=lambda pair: -pair[1])}
    demo_result = json.loads(output) if output.strip() else None
    print(json.dumps({"schema_version": 1, "pss_max_mib": sum(mib.values()), "pss_mib_by_process": mib, "demo": demo_result}))
    return demo.returncode


if __name__ == "__main__":
    sys.exit(main())
