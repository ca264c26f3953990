"""Commands that run to their end while we wait."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from nuvem_env import progress
from nuvem_env.errors import EnvironmentFailure, last_lines
from nuvem_env.settings import ROOT


def run_quietly(title: str, argv: Sequence[str], variables: Mapping[str, str], folder: Path, log: Path) -> None:
    """Its output goes to the log; what is said is that it runs, its newest line, and on failure the log's end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output, progress.step(title, lambda: _newest_line(log)):
        process = subprocess.Popen(
            argv, env=dict(variables), cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        code = _wait(process)
    if code != 0:
        raise EnvironmentFailure(f"{title} failed with exit code {code}. The end of {log}:\n{last_lines(log, 40)}")


def run_openly(argv: Sequence[str], variables: Mapping[str, str], folder: Path = ROOT) -> int:
    """Its output is ours; the answer is its exit code."""
    return _wait(subprocess.Popen(argv, env=dict(variables), cwd=folder, stdin=subprocess.DEVNULL, start_new_session=True))


def answer_of(argv: Sequence[str], variables: Mapping[str, str] | None = None, folder: Path = ROOT) -> str:
    """What a short command prints; fails in its words."""
    result = subprocess.run(
        argv, env=variables and dict(variables), cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise EnvironmentFailure(f"{' '.join(argv)} failed with exit code {result.returncode}:\n{result.stderr or result.stdout}")
    return result.stdout


def _wait(process: subprocess.Popen[bytes]) -> int:
    """It has a group of its own: when we are interrupted, by Ctrl-C or by a signal to us alone, it ends with all it started."""
    try:
        return process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise


def _newest_line(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 2000))
        lines = file.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
