"""Where things lie and what the caller's environment variables ask for."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nuvem_env.errors import EnvironmentFailure

ROOT = Path(__file__).resolve().parents[3]
REGION = "us-east-1"
PROFILES = {"dev": "debug", "release": "release"}


@dataclass(frozen=True)
class Wishes:
    """What the operator and what stands behind the proxy should be; remembered between `make up` and `make restart`."""

    replicas: int = 1
    upstream: str = ""
    arguments: str = ""

    @staticmethod
    def read(variables: Mapping[str, str], default: Wishes) -> Wishes:
        """A variable that is not set leaves the default's value."""
        replicas = variables.get("NUVEM_REPLICAS", str(default.replicas))
        if not replicas.isdecimal() or int(replicas) < 1:
            raise EnvironmentFailure(f"NUVEM_REPLICAS={replicas}: write a whole number from 1 on.")
        arguments = variables.get("NUVEM_ARGS", default.arguments)
        try:
            shlex.split(arguments)
        except ValueError as error:
            raise EnvironmentFailure(f"NUVEM_ARGS={arguments}: {error}.") from error
        return Wishes(int(replicas), variables.get("NUVEM_UPSTREAM", default.upstream).rstrip("/"), arguments)


@dataclass(frozen=True)
class Settings:
    """Folders and the build profile."""

    state: Path
    cache: Path
    target: Path
    profile: str

    @staticmethod
    def read(variables: Mapping[str, str]) -> Settings:
        """From NUVEM_STATE, NUVEM_CACHE, CARGO_TARGET_DIR and NUVEM_PROFILE."""
        home = Path(variables.get("HOME", "/"))
        user_cache = Path(variables.get("XDG_CACHE_HOME") or home / ".cache")
        cache = Path(variables.get("NUVEM_CACHE") or user_cache / "nuvem").absolute()
        profile = variables.get("NUVEM_PROFILE") or "dev"
        if profile not in PROFILES:
            raise EnvironmentFailure(f"NUVEM_PROFILE={profile}: write dev or release.")
        return Settings(
            state=Path(variables.get("NUVEM_STATE") or ROOT / ".local").absolute(),
            cache=cache,
            target=Path(variables.get("CARGO_TARGET_DIR") or cache / "target").absolute(),
            profile=profile,
        )

    @property
    def bin(self) -> Path:
        """What `.local/env` puts in front of PATH."""
        return self.state / "bin"

    @property
    def env_file(self) -> Path:
        return self.state / "env"

    @property
    def pids_file(self) -> Path:
        """Read by the fault proxy's mode `kill`."""
        return self.state / "operator-pids"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def operator_kubeconfig(self) -> Path:
        return self.state / "operator-kubeconfig"

    @property
    def launch_file(self) -> Path:
        """How the operator's replicas are started."""
        return self.state / "operator-launch.json"

    @property
    def running_file(self) -> Path:
        """Which replicas run, as the supervisor tells."""
        return self.state / "operator-running.json"

    def log(self, name: str) -> Path:
        return self.state / f"{name}.log"

    def with_state(self, state: Path) -> Settings:
        """The same builds, another environment."""
        return Settings(state, self.cache, self.target, self.profile)


def without_interference(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The caller's variables less those that change what a tool of ours does: AWS_CA_BUNDLE breaks some plain-HTTP clients, the others
    point at the caller's own account and cluster. A proxy stays, since builds may need it, but loopback never goes through it."""
    kept = {name: value for name, value in variables.items() if not name.startswith(("AWS_", "HELM_", "KUBE"))}
    direct = ",".join(filter(None, ("127.0.0.1,localhost", variables.get("NO_PROXY") or variables.get("no_proxy"))))
    return {**kept, "NO_PROXY": direct, "no_proxy": direct}
