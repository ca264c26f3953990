"""The commands behind the Makefile's targets."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from nuvem_env import chart, checks, environment, prerequisites, progress, rust
from nuvem_env.commands import run_openly
from nuvem_env.errors import EnvironmentFailure
from nuvem_env.launch import Launch
from nuvem_env.settings import ROOT, Settings, Wishes
from nuvem_env.supervisor import Supervisor

INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Answers with the exit code; a failure's message goes to stderr."""
    commands: dict[str, Callable[[Settings], None]] = {
        "up": _up,
        "down": environment.down,
        "restart": _restart,
        "kill": _kill,
        "test": checks.test,
        "lint": checks.lint,
        "crds": _crds,
        "supervise": lambda settings: Supervisor(settings).run(),
    }
    parser = argparse.ArgumentParser(prog="env.py", description=__doc__)
    parser.add_argument("command", choices=commands)
    command = parser.parse_args(arguments).command
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        commands[command](Settings.read(os.environ))
    except EnvironmentFailure as failure:
        print(f"\nmake {command}: {failure}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print(f"\nmake {command}: interrupted", file=sys.stderr, flush=True)
        return INTERRUPTED
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _up(settings: Settings) -> None:
    began = time.monotonic()
    environment.up(settings, Wishes.read(os.environ, Wishes()))
    _tell(settings, f"Up and ready after {progress.duration(time.monotonic() - began)}.")


def _restart(settings: Settings) -> None:
    environment.restart(settings)
    _tell(settings, "The operator was started anew and is ready.")


def _kill(settings: Settings) -> None:
    environment.kill(settings)
    _tell(settings, "The operator was killed, was started again and is ready.")


def _crds(settings: Settings) -> None:
    """Writes what the Rust types say: for people to read and apply, and where the chart, which is packaged alone, finds it."""
    prerequisites.check()
    generator = ["cargo", "run", "--locked", "--quiet", "--package", "nuvem", "--bin", "nuvem", "--", "crds", "--out"]
    for folder in (ROOT / "crds", chart.CHART / "files" / "crds"):
        if run_openly([*generator, str(folder)], rust.variables(settings)) != 0:
            raise EnvironmentFailure("the generator failed; its words are above.")


def _tell(settings: Settings, what: str) -> None:
    launch = Launch.load(settings)
    shell = launch.shell if launch else {}
    progress.say(what)
    progress.say(f"  AWS           {shell.get('AWS_ENDPOINT_URL', '')}")
    progress.say(f"  fault proxy   {shell.get('NUVEM_CONTROL_URL', '')}")
    progress.say(f"  metrics       {shell.get('NUVEM_METRICS_URL', '')}")
    progress.say(f"To use it:      . {_short(settings.env_file)} && kubectl get nuvem")


def _short(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
