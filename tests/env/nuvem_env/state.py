"""What we remember of a running environment: its ports, its daemons, what was wished for."""

from __future__ import annotations

import json
import random
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nuvem_env import files
from nuvem_env.errors import EnvironmentFailure
from nuvem_env.processes import Identity
from nuvem_env.settings import Settings, Wishes

FILE_NAME = "state.json"
PORTS = range(15000, 30000)
"""Below the ports that Linux and macOS hand to outgoing connections: one of those could sit on a port of ours just while its
daemon is restarted."""


@dataclass
class Daemon:
    """One that runs, and what it was started with."""

    identity: Identity
    fingerprint: str


@dataclass
class State:
    """Saved after every change, so that `make down` finds whatever was started."""

    path: Path
    wishes: Wishes = field(default_factory=Wishes)
    ports: dict[str, int] = field(default_factory=dict)
    daemons: dict[str, Daemon] = field(default_factory=dict)

    @staticmethod
    def load(settings: Settings) -> State:
        path = settings.state / FILE_NAME
        if not path.exists():
            return State(path)
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            daemons = {name: Daemon(Identity(**daemon["identity"]), daemon["fingerprint"]) for name, daemon in saved["daemons"].items()}
            return State(path, Wishes(**saved["wishes"]), saved["ports"], daemons)
        except (ValueError, KeyError, TypeError) as error:
            raise EnvironmentFailure(
                f"{path} is not what `make up` writes ({error!r}). Stop what it names by hand and delete it."
            ) from error

    def save(self) -> None:
        content = {
            "wishes": asdict(self.wishes),
            "ports": self.ports,
            "daemons": {name: asdict(daemon) for name, daemon in self.daemons.items()},
        }
        files.write_atomically(self.path, json.dumps(content, indent=2) + "\n")

    def port(self, name: str) -> int:
        """The same at every call: ports stay when what listens on them is restarted."""
        if name not in self.ports:
            self.ports[name] = _free_port(set(self.ports.values()))
            self.save()
        return self.ports[name]

    def runs(self, name: str) -> bool:
        daemon = self.daemons.get(name)
        return daemon is not None and daemon.identity.lives()

    def remember(self, name: str, identity: Identity, fingerprint: str) -> None:
        self.daemons[name] = Daemon(identity, fingerprint)
        self.save()


def is_state_folder(folder: Path) -> bool:
    """Whether an environment is up there, this one or another."""
    return (folder / FILE_NAME).exists()


def _free_port(taken: set[int]) -> int:
    for port in random.sample(PORTS, 200):
        if port not in taken and _is_free(port):
            return port
    raise EnvironmentFailure(f"Found no free port from {PORTS.start} to {PORTS.stop}.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
