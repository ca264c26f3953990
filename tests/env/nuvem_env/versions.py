"""Versions: which are pinned, and which prebuilt programs fit instead."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple


class Version(NamedTuple):
    """Compares as its numbers do."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}.{self.patch}"

    @staticmethod
    def find(text: str) -> Version | None:
        """The first version in what a program says of itself."""
        match = VERSION.search(text)
        return Version(int(match[1]), int(match[2]), int(match[3] or 0)) if match else None

    @staticmethod
    def find_release(text: str) -> Version | None:
        """None too for what names itself `1.37.0-rc.1` or `1.32.4-somebodys`: it is not the release of that number."""
        match = VERSION.search(text)
        return None if match is None or match[4].startswith("-") else Version.find(text)


VERSION = re.compile(r"(?<![\w.])(?:v|go)?(\d+)\.(\d+)(?:\.(\d+))?([-\w.]*)")

OLDEST_KUBERNETES = (1, 33)
"""Validation ratcheting, which the chart's `kubeVersion` asks for too."""

NEWEST_KUBERNETES = (1, 37)


def fits_server(found: Version) -> bool:
    """For kube-apiserver."""
    return OLDEST_KUBERNETES <= found[:2] <= NEWEST_KUBERNETES


def fits_controller_manager(found: Version, server: Version) -> bool:
    """Kubernetes supports one that is as old as the server or one minor version older."""
    return found.major == server.major and server.minor - 1 <= found.minor <= server.minor


def fits_kubectl(found: Version, server: Version) -> bool:
    """Kubernetes supports kubectl within one minor version of the server."""
    return found.major == server.major and abs(found.minor - server.minor) <= 1


def fits_etcd(found: Version) -> bool:
    return (3, 6) <= found[:2] < (4, 0)


def fits_helm(found: Version) -> bool:
    return found.major == 4


def required(go_mod: Path, module: str) -> Version:
    """The version that a go.mod pins."""
    match = re.search(rf"^\s*(?:require\s+)?{re.escape(module)}\s+(v[\d.]+)", go_mod.read_text(encoding="utf-8"), re.MULTILINE)
    version = Version.find_release(match[1]) if match else None
    if version is None:
        raise ValueError(f"{go_mod} requires no release of {module}")
    return version
