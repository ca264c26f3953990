"""What the commands say while they work: nothing is silent for longer than some seconds."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

SECONDS_BETWEEN_LINES = 10.0


def say(text: str) -> None:
    """One line, at once: make and CI read through a pipe."""
    _print(f"{text}\n")


def _print(text: str) -> None:
    """A reader that has left (`make up | head`) must not end the work midway."""
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")


def duration(seconds: float) -> str:
    """`48 s`, `7 min`, `7 min 30 s`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def rounded(seconds: float) -> str:
    """An estimate: `50 s`, `7 min`."""
    return f"{max(10, round(seconds, -1)):.0f} s" if seconds < 55 else f"{max(1, round(seconds / 60))} min"


@contextlib.contextmanager
def step(title: str, latest: Callable[[], str] = str) -> Iterator[None]:
    """Says that `title` began, that it still runs (with the `latest` news from it) and how long it took."""
    say(f"  {title} …")
    began = time.monotonic()
    ended = threading.Event()
    ticker = threading.Thread(target=_tick, args=(latest, began, ended), daemon=True)
    ticker.start()
    try:
        yield
    finally:
        ended.set()
        ticker.join()
    took = time.monotonic() - began
    if took >= SECONDS_BETWEEN_LINES:
        say(f"    {title}: {duration(took)}")


def _tick(latest: Callable[[], str], began: float, ended: threading.Event) -> None:
    on_terminal = sys.stdout.isatty()
    while not ended.wait(1.0 if on_terminal else SECONDS_BETWEEN_LINES):
        text = f"    … {duration(time.monotonic() - began)}  {latest()}".rstrip()[:110]
        if on_terminal:
            _print(f"\r\033[K{text}")
        else:
            say(text)
    if on_terminal:
        _print("\r\033[K")
