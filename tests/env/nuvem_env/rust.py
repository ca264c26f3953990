"""The operator and the fault proxy, built by cargo in a target folder that checkouts share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from nuvem_env import files, progress
from nuvem_env.commands import run_quietly
from nuvem_env.settings import PROFILES, ROOT, Settings, without_interference

COLD_SECONDS = 491
"""Unoptimised, on 2 cores with nothing cached: twelve crates of the AWS SDK."""


@dataclass(frozen=True)
class Binaries:
    """The copies that run."""

    nuvem: Path
    proxy: Path


def variables(settings: Settings) -> dict[str, str]:
    """For every cargo we start, so that all share one build."""
    return {**without_interference(), "CARGO_TARGET_DIR": str(settings.target), "CARGO_TERM_COLOR": "auto"}


def is_built(settings: Settings) -> bool:
    """Whether cargo has little left to do."""
    return (settings.target / PROFILES[settings.profile] / "nuvem").exists()


def build(settings: Settings) -> Binaries:
    """Builds both and copies them to the state folder: neither a later build nor another checkout's may change a running program.
    The lock spans both, since another checkout's build overwrites the same files."""
    log = settings.log("cargo-build")
    with files.lock(settings.target / ".nuvem.lock", "building nuvem"):
        title = "building nuvem and the fault proxy" + (
            "" if is_built(settings) else f" (about {progress.rounded(COLD_SECONDS)} on 2 cores)"
        )
        profile = ["--profile", settings.profile]
        run_quietly(
            title,
            ["cargo", "build", "--locked", *profile, "--package", "nuvem", "--bin", "nuvem", "--example", "fault-proxy"],
            variables(settings),
            ROOT,
            log,
        )
        output = settings.target / PROFILES[settings.profile]
        binaries = Binaries(settings.bin / "nuvem", settings.bin / "fault-proxy")
        _install(output / "nuvem", binaries.nuvem)
        _install(output / "examples" / "fault-proxy", binaries.proxy)
    return binaries


def digest(program: Path) -> str:
    """Tells whether a program is another than the one that runs."""
    return hashlib.sha256(program.read_bytes()).hexdigest()


def _install(source: Path, target: Path) -> None:
    if not target.exists() or digest(source) != digest(target):
        files.copy_atomically(source, target)
