"""Stands in for the kubelet: starts the operator's replicas and starts again whichever ends.

SIGHUP: stop all gracefully and start what the launch file says now. SIGTERM: stop all and end. A replica that was stopped (SIGSTOP)
has not ended and is left alone.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from pathlib import Path

from nuvem_env import files, processes, progress
from nuvem_env.errors import EnvironmentFailure
from nuvem_env.launch import Launch, Running, env_file
from nuvem_env.processes import Identity
from nuvem_env.settings import Settings

SECONDS_BEFORE_RESTART = 0.5
"""Less than the 2 s that are promised, and enough for a replica that ends at once not to take a core."""


class Supervisor:
    """One environment's."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._launch = _read(settings)
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._due: dict[int, float] = {}
        self._exits = 0
        self._reload = False
        self._ended = False
        self._wake = _wake_on_signals()
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler, since an ignored signal wakes nobody
        signal.signal(signal.SIGHUP, self._on_reload)
        signal.signal(signal.SIGTERM, self._on_end)

    def run(self) -> None:
        """Until SIGTERM. If it fails itself (its folder was deleted), no replica is left behind either."""
        self._schedule_all()
        try:
            while not self._ended:
                self._reap()
                if self._reload:
                    self._take_up_new_launch()
                self._start_due()
                self._sleep()
        finally:
            self._stop_all()

    def _on_reload(self, *_: object) -> None:
        self._reload = True

    def _on_end(self, *_: object) -> None:
        self._ended = True

    def _schedule_all(self) -> None:
        self._due = dict.fromkeys(range(len(self._launch.replicas)), time.monotonic())

    def _reap(self) -> None:
        ended = False
        for number, process in list(self._running.items()):
            code = process.poll()
            if code is not None:
                how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
                progress.say(f"{_now()} replica {number} (process {process.pid}) {how}; starting it again")
                del self._running[number]
                self._exits += 1
                self._due[number] = time.monotonic() + SECONDS_BEFORE_RESTART
                ended = True
        if ended:
            self._publish_to_killers()

    def _start_due(self) -> None:
        due = [number for number, moment in self._due.items() if moment <= time.monotonic()]
        for number in due:
            del self._due[number]
            self._running[number] = self._start(number)
        if due:
            self._publish()

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        replica = self._launch.replicas[number]
        Path(replica.variables["HOME"]).mkdir(parents=True, exist_ok=True)
        with open(replica.log, "ab") as log:
            process = subprocess.Popen(
                replica.argv,
                env=replica.variables,
                cwd=self._settings.state,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        progress.say(f"{_now()} replica {number} runs as process {process.pid}")
        return process

    def _publish(self) -> None:
        """Last what says that all is written."""
        pids = self._publish_to_killers()
        files.write_atomically(self._settings.env_file, env_file(self._launch.shell, self._settings.bin, pids))
        Running(self._launch.revision, self._exits, [identity for pid in pids if (identity := Identity.of(pid))]).save(self._settings)

    def _publish_to_killers(self) -> list[int]:
        """At once when one has ended: its id may soon be another's."""
        pids = [process.pid for _, process in sorted(self._running.items())]
        files.write_atomically(self._settings.pids_file, "".join(f"{pid}\n" for pid in pids))
        return pids

    def _take_up_new_launch(self) -> None:
        self._reload = False
        self._stop_all()
        self._launch = _read(self._settings)
        self._exits = 0
        progress.say(f"{_now()} launch {self._launch.revision}")
        self._schedule_all()

    def _stop_all(self) -> None:
        """As a kubelet: SIGTERM, the chart's grace period, SIGKILL."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)  # a stopped process hears SIGTERM only when it goes on
        processes.wait_until(lambda: all(process.poll() is not None for process in self._running.values()), self._launch.grace)
        for process in self._running.values():
            process.kill()
            process.wait()
        self._running.clear()
        self._due.clear()

    def _sleep(self) -> None:
        seconds = max(0.0, min(self._due.values()) - time.monotonic()) if self._due else None
        if select.select([self._wake], [], [], seconds)[0]:
            os.read(self._wake, 4096)


def _wake_on_signals() -> int:
    """The end of a pipe that becomes readable when a signal arrives, even one that arrives just before we sleep."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def _read(settings: Settings) -> Launch:
    launch = Launch.load(settings)
    if launch is None:
        raise EnvironmentFailure("There is no launch file: `make up` writes it.")
    return launch


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
