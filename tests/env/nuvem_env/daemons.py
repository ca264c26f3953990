"""Starts a daemon, waits until it serves, keeps the one that already does."""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nuvem_env import processes, progress
from nuvem_env.errors import EnvironmentFailure, last_lines
from nuvem_env.processes import Identity
from nuvem_env.settings import Settings, without_interference
from nuvem_env.state import State

GRACE = 5.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Keeper:
    """Of one environment's daemons. `started` is what this run began, which a failure stops again. One that runs but was started in
    another way is replaced if `replaces`, as `make up` wants it; `make restart` touches nothing but the operator."""

    settings: Settings
    state: State
    replaces: bool = True
    started: list[Identity] = field(default_factory=list)

    def ensure(
        self,
        name: str,
        argv: Sequence[object],
        serves: Callable[[], bool],
        *,
        variables: Mapping[str, str] | None = None,
        also: str = "",
        seconds: float = 60,
    ) -> None:
        """Starts `name` unless it runs with the same command line and the same `also` (a digest of what it runs)."""
        command = [str(part) for part in argv]
        fingerprint = hashlib.sha256(json.dumps([command, also]).encode()).hexdigest()
        daemon = self.state.daemons.get(name)
        if daemon and daemon.identity.lives():
            if daemon.fingerprint == fingerprint or not self.replaces:
                return
            processes.stop([daemon.identity], GRACE)
        self._start(name, command, variables or without_interference(), fingerprint)
        with progress.step(f"starting {name}"):
            self._wait(name, serves, seconds)

    def _start(self, name: str, command: list[str], variables: Mapping[str, str], fingerprint: str) -> None:
        identity = processes.start_daemon(command, variables, self.settings.state, self.settings.log(name))
        self.started.append(identity)
        self.state.remember(name, identity, fingerprint)

    def _wait(self, name: str, serves: Callable[[], bool], seconds: float) -> None:
        in_time = processes.wait_until(lambda: not self.state.runs(name) or serves(), seconds)
        if self.state.runs(name) and in_time:
            return
        what = f"does not serve after {seconds:.0f} s" if self.state.runs(name) else "ended while it started"
        log = self.settings.log(name)
        raise EnvironmentFailure(f"{name} {what}. The end of {log}:\n{last_lines(log)}")


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with _DIRECT.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):
        return False
