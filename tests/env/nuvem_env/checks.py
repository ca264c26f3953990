"""`make test` and `make lint`: this file is the one list of what they run."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from nuvem_env import chart, environment, prerequisites, progress, rust, venv
from nuvem_env.commands import run_openly
from nuvem_env.errors import EnvironmentFailure
from nuvem_env.settings import ROOT, Settings, Wishes
from nuvem_env.tools import HELM, Cabinet


FOR_TESTS = Wishes(arguments="--sweep-interval-seconds=5")
"""Tests wait for whole sweeps; with the chart's own 30 s they would mostly wait."""

WISHES = ("NUVEM_REPLICAS", "NUVEM_ARGS", "NUVEM_UPSTREAM")

# Always the whole workspace: cargo would build what both packages use once more, with fewer features, for nuvem-core alone.
CARGO_TEST = ("cargo", "test", "--locked", "--workspace")


class Group(NamedTuple):
    """Tests that one command runs."""

    title: str
    command: Sequence[str]
    variables: Mapping[str, str]
    folder: Path = ROOT


def test(settings: Settings) -> None:
    """From cheap to dear; stops at the first group that fails."""
    prerequisites.check()
    results = Results()
    with contextlib.closing(results):
        for group in _without_environment(settings):
            results.run(group)
        own = settings.with_state(settings.state / "test")
        progress.say("\n=== an environment for the tests that need one")
        with environment.running(own, FOR_TESTS):
            for group in _with_environment(own):
                results.run(group)


def lint(settings: Settings) -> None:
    """Formatting, clippy, the chart."""
    prerequisites.check()
    variables = rust.variables(settings)
    helm = str(Cabinet(settings).get(HELM))
    results = Results()
    with contextlib.closing(results):
        results.run(Group("formatting", ["cargo", "fmt", "--all", "--check"], variables))
        results.run(Group("clippy", ["cargo", "clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"], variables))
        arguments = ["lint", str(chart.CHART), "--strict", "--values", str(chart.VALUES), "--set", "region=us-east-1"]
        results.run(Group("the chart", [helm, *arguments], chart.helm_variables(settings)))


def _without_environment(settings: Settings) -> list[Group]:
    variables = rust.variables(settings)
    return [
        Group(
            "the environment's own decisions",
            [sys.executable, "-m", "unittest", "discover", "--start-directory", "tests"],
            variables,
            ROOT / "tests" / "env",
        ),
        Group(
            "the emulator's fidelity layer",
            [str(venv.python(settings)), "-m", "pytest", "--quiet", "-p", "no:cacheprovider"],
            variables,
            venv.AWS_FOLDER,
        ),
        Group("compiling all tests, several at a time", [*CARGO_TEST, "--no-run"], variables),
        Group("nuvem-core, nuvem and the fault proxy by themselves", [*CARGO_TEST, "--lib", "--examples"], variables),
    ]


def _with_environment(settings: Settings) -> list[Group]:
    callers = {name: value for name, value in rust.variables(settings).items() if name not in WISHES}
    variables = {**callers, "NUVEM_STATE": str(settings.state), "NUVEM_ENV_FILE": str(settings.env_file)}
    return [
        Group("contract: in-memory AWS and emulator agree", [*CARGO_TEST, "--test", "contract"], variables),
        Group("integration: the real binary", [*CARGO_TEST, "--test", "it", "--", "--test-threads=1"], variables),
    ]


class Results:
    """Runs groups and sums up at the end, also when one has failed."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def run(self, group: Group) -> None:
        progress.say(f"\n=== {group.title}")
        began = time.monotonic()
        code = run_openly(group.command, group.variables, group.folder)
        took = progress.duration(time.monotonic() - began)
        self._lines.append(f"  {'passed' if code == 0 else 'FAILED'}  {group.title:50} {took:>12}")
        if code != 0:
            again = " ".join(str(part) for part in group.command)
            raise EnvironmentFailure(f"{group.title}: failed with exit code {code}. What ran in {group.folder}:\n  {again}")

    def close(self) -> None:
        progress.say("\n=== summary")
        for line in self._lines:
            progress.say(line)
