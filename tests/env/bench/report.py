"""What was measured, and what was promised."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One measurement; `at_most` where something is promised."""

    name: str
    value: float
    unit: str
    at_most: float | None = None

    @property
    def kept(self) -> bool:
        return self.at_most is None or self.value <= self.at_most


@dataclass
class Report:
    """All figures of one run, in their order."""

    instances: int
    profile: str
    figures: list[Figure] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, at_most: float | None = None) -> None:
        self.figures.append(Figure(name, round(value, 2), unit, at_most))

    def all_kept(self) -> bool:
        return all(figure.kept for figure in self.figures)

    def write(self, path: Path) -> None:
        content = {"instances": self.instances, "profile": self.profile, "machine": platform.platform()}
        path.write_text(json.dumps({**content, "figures": [asdict(figure) for figure in self.figures]}, indent=2) + "\n", encoding="utf-8")

    def table(self) -> str:
        rows = [("", "measured", "promised", "")]
        for figure in self.figures:
            promised = "" if figure.at_most is None else f"≤ {figure.at_most:g}"
            verdict = "" if figure.at_most is None else "kept" if figure.kept else "BROKEN"
            rows.append((figure.name, f"{figure.value:g} {figure.unit}".strip(), promised, verdict))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return f"{self.instances} instances, {self.profile} build\n" + "\n".join(lines)
