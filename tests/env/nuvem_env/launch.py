"""How the operator's replicas are started: written by `make up` and `make restart`, read by the supervisor."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from nuvem_env import aws, chart, files
from nuvem_env.chart import Container
from nuvem_env.processes import Identity
from nuvem_env.settings import REGION, Settings
from nuvem_env.state import State

PASSED_ON = ("RUST_LOG", "RUST_BACKTRACE", "TZ")
"""The only variables of the caller that a replica sees, as a pod would see none."""


@dataclass(frozen=True)
class Replica:
    argv: list[str]
    variables: dict[str, str]
    log: str
    http: str

    @property
    def ready_url(self) -> str:
        return f"{self.http}/readyz"


@dataclass(frozen=True)
class Launch:
    """`revision` tells two apart; all else is what is started."""

    revision: int
    made_of: str
    grace: float
    replicas: list[Replica]
    shell: dict[str, str]

    def starts_the_same(self, other: Launch | None) -> bool:
        return other is not None and {**asdict(self), "revision": 0} == {**asdict(other), "revision": 0}

    def save(self, settings: Settings) -> None:
        files.write_atomically(settings.launch_file, json.dumps(asdict(self), indent=2) + "\n", 0o600)

    @staticmethod
    def load(settings: Settings) -> Launch | None:
        path = settings.launch_file
        if not path.exists():
            return None
        saved = json.loads(path.read_text(encoding="utf-8"))
        return Launch(**{**saved, "replicas": [Replica(**replica) for replica in saved["replicas"]]})


def replica(
    number: int, settings: Settings, state: State, container: Container, binary: Path, endpoint: str, caller: dict[str, str]
) -> Replica:
    """As a kubelet would start it, with what stands in for the node's identity and network. A later argument overrides an earlier one."""
    pod = f"{chart.RELEASE}-{number}"
    address = f"127.0.0.1:{state.port(f'operator-{number}')}"
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(settings.state / "operator-home"),
        "HOSTNAME": pod,
        **{name: caller[name] for name in PASSED_ON if name in caller},
        **container.variables_of(pod),
        "KUBECONFIG": str(settings.operator_kubeconfig),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": aws.replicas_key(number),
        "AWS_SECRET_ACCESS_KEY": aws.SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    argv = [str(binary), *container.arguments_of(pod), "--http-address", address, *shlex.split(state.wishes.arguments)]
    return Replica(argv, variables, str(settings.log(f"operator-{number}")), f"http://{address}")


def shell_variables(settings: Settings, first: Replica, endpoint: str, control: str) -> dict[str, str]:
    """What `.local/env` exports besides PATH and the process ids. boto3 reads the Region from AWS_DEFAULT_REGION only."""
    return {
        "KUBECONFIG": str(settings.kubeconfig),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": aws.USERS_KEY,
        "AWS_SECRET_ACCESS_KEY": aws.SECRET_KEY,
        "NUVEM_CONTROL_URL": control,
        "NUVEM_METRICS_URL": f"{first.http}/metrics",
    }


def env_file(shell: dict[str, str], folder: Path, pids: list[int]) -> str:
    """For a shell to source. What would send the caller's tools elsewhere is unset."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in shell.items()]
    return "\n".join(
        [
            "# Written by `make up` and again whenever the operator's process ids change. To use it: . THIS_FILE",
            "unset AWS_CA_BUNDLE AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN",
            *exports,
            f'export PATH={shlex.quote(str(folder))}:"$PATH"',
            f"export NUVEM_OPERATOR_PIDS={shlex.quote(' '.join(map(str, pids)))}",
            "",
        ]
    )


@dataclass(frozen=True)
class Running:
    """What the supervisor tells: the replicas of a launch by their numbers, and how often one has ended by itself."""

    revision: int
    exits: int
    replicas: list[Identity]

    def save(self, settings: Settings) -> None:
        files.write_atomically(settings.running_file, json.dumps(asdict(self), indent=2) + "\n")

    @staticmethod
    def load(settings: Settings) -> Running:
        path = settings.running_file
        if not path.exists():
            return Running(0, 0, [])
        saved = json.loads(path.read_text(encoding="utf-8"))
        return Running(saved["revision"], saved["exits"], [Identity(**each) for each in saved["replicas"]])
