"""What goes wrong in words a person can act on."""

from __future__ import annotations

from pathlib import Path


class EnvironmentFailure(Exception):
    """Ends the command with its message and no traceback: the message says what happened and what to do."""


def last_lines(path: Path, count: int = 25) -> str:
    """The end of a log, indented, for a failure's message."""
    if not path.exists():
        return f"    (there is no {path})"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    return "\n".join(f"    {line}" for line in lines) or f"    ({path} is empty)"
