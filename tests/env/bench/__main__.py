#!/usr/bin/env python3
"""`make bench`: many instances, in an environment of their own. Prints a table, writes JSON, and fails where a promise is broken.

NUVEM_BENCH_INSTANCES=1000 says how many; NUVEM_PROFILE=release measures the binary as it is shipped (and builds it first)."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nuvem_env import environment, progress
from nuvem_env.errors import EnvironmentFailure
from nuvem_env.settings import Settings, Wishes

from bench_cluster import BenchCluster
from measure import measure
from report import Report

INSTANCES = 1000


def main() -> int:
    """Answers with the exit code: 1 where a promise is broken."""
    signal.signal(signal.SIGTERM, _interrupt)
    base = Settings.read(os.environ)
    instances = int(os.environ.get("NUVEM_BENCH_INSTANCES", INSTANCES))
    settings = base.with_state(base.state / "bench")
    report = Report(instances, base.profile)
    try:
        environment.up(settings, Wishes())
        try:
            measure(BenchCluster(settings), instances, report)
        finally:
            environment.down(settings)
    except EnvironmentFailure as failure:
        print(f"\nmake bench: {failure}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("\nmake bench: interrupted", file=sys.stderr, flush=True)
        return 130
    path = base.state / "bench.json"
    report.write(path)
    progress.say(f"\n{report.table()}\n\nAlso in {os.path.relpath(path)}.")
    return 0 if report.all_kept() else 1


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


sys.exit(main())
