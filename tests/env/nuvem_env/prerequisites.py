"""What the machine must have; all that is missing is named at once, each with the command that installs it."""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from nuvem_env.errors import EnvironmentFailure
from nuvem_env.settings import ROOT
from nuvem_env.versions import Version

GO = Version(1, 26, 0)
GO_TO_INSTALL = "1.26.8"


class Missing(NamedTuple):
    what: str
    install: str


def check() -> None:
    """Fails naming everything that is missing."""
    missing = [*_rust(), *_go(), *_python(), *_make(), *_compiler()]
    if missing:
        lines = "\n".join(f"  {item.what}\n      {item.install}" for item in missing)
        raise EnvironmentFailure(f"This machine lacks what the environment needs:\n{lines}")


def _rust() -> list[Missing]:
    needed = _rust_version(ROOT / "Cargo.toml")
    found = _version_of("cargo", "--version")
    if found is None:
        return [Missing(f"Rust {needed.major}.{needed.minor} or newer", "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh")]
    return [] if found >= needed else [Missing(f"Rust {needed.major}.{needed.minor} or newer (here: {found})", "rustup update stable")]


def _rust_version(manifest: Path) -> Version:
    match = re.search(r'^rust-version = "([\d.]+)"', manifest.read_text(encoding="utf-8"), re.MULTILINE)
    version = Version.find(match.group(1)) if match else None
    if version is None:
        raise EnvironmentFailure(f"{manifest} has no rust-version.")
    return version


def _go() -> list[Missing]:
    found = _version_of("go", "version")
    if found is not None and found >= GO:
        return []
    here = f" (here: {found})" if found else ""
    return [Missing(f"Go {GO.major}.{GO.minor} or newer{here}", _install_go())]


def _install_go() -> str:
    """Distributions lag behind, so Go's own archive."""
    if platform.system() == "Darwin":
        return "brew install go"
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    archive = f"https://go.dev/dl/go{GO_TO_INSTALL}.linux-{machine}.tar.gz"
    return f"curl -fsSL {archive} | sudo tar -C /usr/local -xz && export PATH=/usr/local/go/bin:$PATH"


def _python() -> list[Missing]:
    """Debian splits off what makes virtual environments."""
    complete = all(importlib.util.find_spec(module) for module in ("venv", "ensurepip"))
    return [] if complete else [Missing("Python's venv and ensurepip modules", _package("python3-venv", "python3"))]


def _make() -> list[Missing]:
    return [] if shutil.which("make") else [Missing("make", _package("make", "make"))]


def _compiler() -> list[Missing]:
    if any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        return []
    return [Missing("a C compiler", "xcode-select --install" if platform.system() == "Darwin" else _package("gcc libc6-dev", "gcc"))]


def _package(debian: str, other: str) -> str:
    """The command of the package manager that is here."""
    commands = {
        "apt-get": f"apt-get install -y {debian}",
        "dnf": f"dnf install -y {other}",
        "pacman": f"pacman -S {other}",
        "apk": f"apk add {other}",
        "brew": f"brew install {other}",
    }
    for program, command in commands.items():
        if shutil.which(program):
            return command
    return f"install {other} with the system's package manager"


def _version_of(program: str, argument: str) -> Version | None:
    if shutil.which(program) is None:
        return None
    # In the root folder no go.mod and no rust-toolchain.toml can choose (and download) another version.
    answer = subprocess.run([program, argument], cwd="/", capture_output=True, text=True, check=False)
    return Version.find(answer.stdout) if answer.returncode == 0 else None
