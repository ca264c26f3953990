"""The control plane's programs: prebuilt ones where they fit, or built once per machine from the Go modules under tests/env/tools."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nuvem_env import files, progress
from nuvem_env.commands import answer_of, run_quietly
from nuvem_env.settings import ROOT, Settings, without_interference
from nuvem_env.state import is_state_folder
from nuvem_env.versions import (
    Version,
    fits_controller_manager,
    fits_etcd,
    fits_helm,
    fits_kubectl,
    fits_server,
    required,
)

GO_MODULES = ROOT / "tests" / "env" / "tools"


@dataclass(frozen=True)
class Recipe:
    """How a program is built and asked for its version."""

    name: str
    folder: str
    module: str
    package: str
    seconds: int
    """On 2 cores with nothing cached."""
    version_arguments: tuple[str, ...] = ("--version",)

    @property
    def pinned(self) -> Version:
        return required(GO_MODULES / self.folder / "go.mod", self.module)

    def linker_flags(self) -> str:
        if self.folder != "kubernetes":
            return "-s -w"
        # Without them the server calls itself v0.0.0-master, and clients and charts that ask for its version go wrong.
        version = "k8s.io/component-base/version"
        pinned = self.pinned
        return f"-s -w -X {version}.gitVersion={pinned} -X {version}.gitMajor={pinned.major} -X {version}.gitMinor={pinned.minor}"


KUBERNETES = "k8s.io/kubernetes"
ETCD = Recipe("etcd", "etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3", 51)
API_SERVER = Recipe("kube-apiserver", "kubernetes", KUBERNETES, f"{KUBERNETES}/cmd/kube-apiserver", 407)
CONTROLLER_MANAGER = Recipe("kube-controller-manager", "kubernetes", KUBERNETES, f"{KUBERNETES}/cmd/kube-controller-manager", 139)
KUBECTL = Recipe("kubectl", "kubernetes", KUBERNETES, f"{KUBERNETES}/cmd/kubectl", 39, ("version", "--client"))
HELM = Recipe("helm", "helm", "helm.sh/helm/v4", "helm.sh/helm/v4/cmd/helm", 149, ("version", "--short"))
ALL = (ETCD, API_SERVER, CONTROLLER_MANAGER, KUBECTL, HELM)


@dataclass(frozen=True)
class Tools:
    """Where each program is."""

    etcd: Path
    api_server: Path
    controller_manager: Path
    kubectl: Path
    helm: Path


class Cabinet:
    """Finds the programs and builds those that are nowhere."""

    def __init__(self, settings: Settings, variables: Mapping[str, str] = os.environ) -> None:
        self._settings = settings
        self._folders = list(prebuilt_folders(variables))
        self._platform = "-".join(answer_of(["go", "env", "GOOS", "GOARCH"], _go_variables(), Path("/")).split())
        self._found: dict[str, Path] = {}
        server = self._look(API_SERVER, fits_server)
        version = (_release(API_SERVER, server) if server else None) or API_SERVER.pinned
        self._look(CONTROLLER_MANAGER, lambda found: fits_controller_manager(found, version))
        self._look(KUBECTL, lambda found: fits_kubectl(found, version))
        self._look(ETCD, fits_etcd)
        self._look(HELM, fits_helm)

    def missing(self) -> list[Recipe]:
        """What has to be built."""
        return [recipe for recipe in ALL if recipe.name not in self._found]

    def get(self, recipe: Recipe) -> Path:
        """Builds it if it is missing."""
        if recipe.name not in self._found:
            self._found[recipe.name] = self._build(recipe)
        return self._found[recipe.name]

    def complete(self) -> Tools:
        """Builds what is missing."""
        return Tools(*(self.get(recipe) for recipe in ALL))

    def _look(self, recipe: Recipe, fits: Callable[[Version], bool]) -> Path | None:
        """In the folders of this field first, so that who brings binaries gets them; then in our cache."""
        for folder in self._folders:
            program = folder / recipe.name
            if program.is_file() and os.access(program, os.X_OK):
                version = _release(recipe, program)
                if version is not None and fits(version):
                    self._found[recipe.name] = program
                    return program
        cached = self._cached(recipe)
        if cached.exists():
            self._found[recipe.name] = cached
        return None

    def _cached(self, recipe: Recipe) -> Path:
        return self._settings.cache / "tools" / f"{recipe.name}-{recipe.pinned}-{self._platform}"

    def _build(self, recipe: Recipe) -> Path:
        """Once, even when two environments start at the same time; whole or not at all."""
        program = self._cached(recipe)
        with files.lock(program.with_name(f".{program.name}.lock"), f"building {recipe.name}"):
            if not program.exists():
                unfinished = program.with_name(f".{program.name}.unfinished")
                argv = [
                    "go",
                    "build",
                    "-mod=readonly",
                    "-buildvcs=false",
                    "-v",
                    "-trimpath",
                    "-ldflags",
                    recipe.linker_flags(),
                    "-o",
                    str(unfinished),
                    recipe.package,
                ]
                title = f"building {recipe.name} {recipe.pinned} (about {progress.rounded(recipe.seconds)} on 2 cores)"
                run_quietly(title, argv, _go_variables(), GO_MODULES / recipe.folder, program.with_name(f"{program.name}.log"))
                unfinished.rename(program)
        return program


def prebuilt_folders(variables: Mapping[str, str]) -> Iterator[Path]:
    """KUBEBUILDER_ASSETS, envtest's own folder with the newest version first, PATH. Not what an environment of ours put on PATH:
    those are links to what was found here, and go when it goes."""
    if variables.get("KUBEBUILDER_ASSETS"):
        yield Path(variables["KUBEBUILDER_ASSETS"])
    data = Path(variables.get("XDG_DATA_HOME") or Path(variables.get("HOME", "/")) / ".local" / "share")
    downloads = (data / "kubebuilder-envtest" / "k8s").glob("*/")
    yield from sorted(downloads, key=lambda folder: Version.find(folder.name) or Version(0, 0, 0), reverse=True)
    on_path = (Path(folder) for folder in variables.get("PATH", "").split(os.pathsep) if folder)
    yield from (folder for folder in on_path if not is_state_folder(folder.parent))


def _release(recipe: Recipe, program: Path) -> Version | None:
    try:
        answer = subprocess.run(
            [program, *recipe.version_arguments],
            env=without_interference(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # for another platform, or not what its name says
    return Version.find_release(answer.stdout) if answer.returncode == 0 else None


def _go_variables() -> dict[str, str]:
    """The caller's GOFLAGS, workspace or C compiler must not change what is built; an empty GOFLAGS would mean the one of `go env -w`."""
    return {
        **without_interference(),
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly",
        "GOWORK": "off",
        "GO111MODULE": "on",
        "GOOS": "",
        "GOARCH": "",
    }


def expose(tools: Tools, folder: Path) -> None:
    """kubectl and helm under their own names, for `.local/env`'s PATH."""
    files.link_atomically(tools.kubectl, folder / "kubectl")
    files.link_atomically(tools.helm, folder / "helm")
