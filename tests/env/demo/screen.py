"""What is shown: commands, ticks with the time that each took, and what was found."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from nuvem_env import progress

T = TypeVar("T")
DEADLINE_SECONDS = 60.0
BETWEEN_ASKS = 0.15
WIDTH = 104


class Failed(Exception):
    """A line of the story did not come true; the message says what was seen instead."""


class NotYet(Exception):
    """What is asked for is not so; the message says what is."""


class Screen:
    """A terminal, or a log."""

    def __init__(self) -> None:
        self.checks = 0
        self._began = time.monotonic()
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def elapsed(self) -> float:
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        progress.say(text)

    def chapter(self, title: str) -> None:
        if not self.checks:
            self._began = time.monotonic()
        self.say(f"\n{self._in('1', title)}")

    def command(self, text: str) -> None:
        self.say(self._in("36", f"  $ {text}"))

    def quote(self, text: str) -> None:
        """A tool's own words."""
        for line in text.rstrip().splitlines():
            self.say(f"      {line}")

    def check(self, claim: str, ask: Callable[[], T]) -> T:
        """Asks until the claim holds. The answer, if there is one, stands behind the claim."""
        began = time.monotonic()
        while True:
            try:
                answer = ask()
                break
            except NotYet as reason:
                if time.monotonic() - began > DEADLINE_SECONDS:
                    raise Failed(f"{claim}\n      after {DEADLINE_SECONDS:.0f} s: {reason}") from reason
                time.sleep(BETWEEN_ASKS)
        self.checks += 1
        found = "" if answer is None else f": {answer}"
        took = f"{time.monotonic() - began:5.1f} s"
        self.say(f"  {self._in('32', '✓')} {(claim + found):{WIDTH - 12}} {took}")
        return answer

    def failed(self, what: str) -> None:
        self.say(f"  {self._in('31', '✗')} {what}")

    def _in(self, colour: str, text: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._colours else text
