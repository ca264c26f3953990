"""Processes that outlive us: known by process id and start time, so that a recycled id is never taken for ours."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nuvem_env.errors import EnvironmentFailure


@dataclass(frozen=True)
class Identity:
    """One process, for ever: an id is given again after a process has ended, but not with the same start."""

    pid: int
    started: str

    @staticmethod
    def of(pid: int) -> Identity | None:
        """None when no such process lives; one that has ended and waits to be reaped does not live."""
        started = _start_on_linux(pid) if sys.platform == "linux" else _start_by_ps(pid)
        return Identity(pid, started) if started else None

    def lives(self) -> bool:
        return Identity.of(self.pid) == self

    def send(self, number: signal.Signals) -> None:
        """To this process alone."""
        if self.lives():
            with contextlib.suppress(ProcessLookupError):  # it ended between the question and the signal
                os.kill(self.pid, number)

    def send_group(self, number: signal.Signals) -> None:
        """To the process, which leads its group, and to all it started."""
        if self.lives():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)


def _start_on_linux(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    process = parse_stat(stat)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return None if process.state in "ZX" else f"{boot}/{process.start}"


class Stat(NamedTuple):
    """What we read of a /proc/PID/stat."""

    state: str
    group: int
    start: str


def parse_stat(stat: str) -> Stat:
    """Start is in ticks since boot. The name in parentheses may hold anything, parentheses included."""
    fields = stat[stat.rindex(")") + 2 :].split()
    return Stat(state=fields[0], group=int(fields[2]), start=fields[19])


def _start_by_ps(pid: int) -> str | None:
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False, env={"LC_ALL": "C", "PATH": os.defpath}
    )
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def start_daemon(argv: Sequence[str], variables: Mapping[str, str], folder: Path, log: Path) -> Identity:
    """In a session of its own, with nothing of ours inherited: neither the terminal's signals nor stdout and stderr, since
    `make up | tee` would never end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            env=dict(variables),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # Reaped by init once we are gone; until then a dead one is a zombie, which counts as dead.
    process.returncode = 0
    identity = Identity.of(process.pid)
    if identity is None:
        raise EnvironmentFailure(f"{argv[0]} ended at once; its log is {log}.")
    return identity


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = 0.05) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def stop(identities: Iterable[Identity], grace: float) -> None:
    """SIGTERM, and after the grace period SIGKILL, to each and its group; returns when none lives."""
    leaders = [identity for identity in identities if identity.lives()]
    everybody = [member for leader in leaders for member in _group(leader.pid)]
    for leader in leaders:
        leader.send_group(signal.SIGTERM)
        leader.send_group(signal.SIGCONT)  # a stopped process hears SIGTERM only when it goes on
    wait_until(lambda: not any(member.lives() for member in everybody), grace)
    for leader in leaders:
        leader.send_group(signal.SIGKILL)
    for member in everybody:  # whose leader has ended: a group's id without its leader's identity proves nothing
        member.send(signal.SIGKILL)
    if not wait_until(lambda: not any(member.lives() for member in everybody), 10):
        raise EnvironmentFailure(f"These processes outlived SIGKILL: {[member.pid for member in everybody if member.lives()]}.")


def _group(leader: int) -> list[Identity]:
    pids = _group_on_linux(leader) if sys.platform == "linux" else _group_by_ps(leader)
    return [identity for pid in pids if (identity := Identity.of(pid))]


def _group_on_linux(leader: int) -> list[int]:
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # ended while we looked
            stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            if parse_stat(stat).group == leader:
                pids.append(int(folder.name))
    return pids


def _group_by_ps(leader: int) -> list[int]:
    answer = subprocess.run(["ps", "-A", "-o", "pid=,pgid="], capture_output=True, text=True, check=True)
    rows = (line.split() for line in answer.stdout.splitlines())
    return [int(pid) for pid, group in rows if int(group) == leader]
