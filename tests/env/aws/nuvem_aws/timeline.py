"""What will happen later, carried out when somebody next looks.

State changes take time (E8..E12, E37), but nothing needs to run in the background for that: before each
call a Region catches up with the present. So a test that owns the clock needs no sleeps, and a dial that is
turned applies to what is already under way.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from .dials import Dials

Action = Callable[[float], None]


class Timeline:
    """Actions that are due some multiple of a dial after they were planned."""

    def __init__(self) -> None:
        # A heap for each (dial, factor): within it, who was planned for the earliest moment is due first.
        self._planned: dict[tuple[str, int], list[tuple[float, int, Action]]] = {}
        self._numbers = itertools.count()

    def after(self, dial: str, since: float, action: Action, factor: int = 1) -> None:
        """Plans `action(moment)` for `factor` times the dial's value after `since`."""
        heapq.heappush(self._planned.setdefault((dial, factor), []), (since, next(self._numbers), action))

    def catch_up(self, now: float, dials: Dials) -> None:
        """Does what is due, earliest first; what that plans in turn may be due already, too."""
        while True:
            due = [
                (heap[0][0] + factor * getattr(dials, dial), heap[0][1], heap)
                for (dial, factor), heap in self._planned.items()
                if heap
            ]
            if not due:
                return
            moment, _, heap = min(due, key=lambda entry: entry[:2])
            if moment > now:
                return
            _, _, action = heapq.heappop(heap)
            action(moment)
