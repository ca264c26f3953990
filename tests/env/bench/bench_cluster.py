"""The environment as the benchmark uses it: many objects at once, counted calls, the operator's memory."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuvem_env import environment, progress
from nuvem_env.errors import EnvironmentFailure
from nuvem_env.launch import Launch
from nuvem_env.settings import Settings, without_interference

NAMESPACE = "bench"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"


@dataclass(frozen=True)
class Usage:
    """Of the operator's process."""

    rss_mib: float
    cpu_seconds: float


class BenchCluster:
    """One environment."""

    def __init__(self, settings: Settings) -> None:
        launch = Launch.load(settings)
        if launch is None:
            raise EnvironmentFailure("the environment is not up")
        self._settings = settings
        self._shell = launch.shell

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        variables = {**without_interference(), "KUBECONFIG": self._shell["KUBECONFIG"], "KUBECACHEDIR": str(self._settings.state / "helm" / "bench")}
        ran = subprocess.run(
            [str(self._settings.bin / "kubectl"), "--namespace", NAMESPACE, *arguments],
            env=variables,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode != 0:
            raise EnvironmentFailure(f"kubectl {' '.join(arguments)}: {ran.stdout}{ran.stderr}")
        return ran.stdout

    def create(self, names: list[str]) -> None:
        items = [
            {
                "apiVersion": "nuvem.dev/v1alpha1",
                "kind": "Ec2Instance",
                "metadata": {"name": name},
                "spec": {"image": {"ssmParameter": _IMAGE}, "instanceType": "t3.micro"},
            }
            for name in names
        ]
        self.kubectl("create", "--filename", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))

    def converged(self) -> int:
        """How many objects are Ready and Synced."""
        template = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{.status.conditions[?(@.type=="Synced")].status}{"\\n"}{end}'
        return self.kubectl("get", "ec2", "--output", f"jsonpath={template}").splitlines().count("TrueTrue")

    def count(self) -> int:
        return len(self.kubectl("get", "ec2", "--output", "name").splitlines())

    def versions(self) -> list[str]:
        """Every object with its resourceVersion: equal lists mean that nothing was written."""
        return self.kubectl("get", "ec2", "--output", 'jsonpath={range .items[*]}{.metadata.name}={.metadata.resourceVersion}{"\\n"}{end}').splitlines()

    def instance_ids(self) -> list[str]:
        return self.kubectl("get", "ec2", "--output", 'jsonpath={range .items[*]}{.status.instanceId}{"\\n"}{end}').splitlines()

    def calls(self) -> dict[str, Any]:
        return self._control("GET", "/calls")

    def count_anew(self) -> None:
        self._control("DELETE", "/calls")

    def dial(self, **dials: object) -> None:
        self._control("PUT", "/aws", dials)

    def stop_in_aws(self, ids: list[str]) -> None:
        form = "Action=StopInstances&Version=2016-11-15" + "".join(f"&InstanceId.{number}={id}" for number, id in enumerate(ids, 1))
        scope = f"AWS4-HMAC-SHA256 Credential=bench/20261124/{self._shell['AWS_REGION']}/ec2/aws4_request"
        request = urllib.request.Request(self._shell["AWS_ENDPOINT_URL"], form.encode(), {"Authorization": scope})
        with _DIRECT.open(request, timeout=60) as answer:
            answer.read()

    def restart_operator(self) -> None:
        environment.restart(self._settings)

    def usage(self) -> Usage:
        """As Linux tells it."""
        pid = self._settings.pids_file.read_text(encoding="utf-8").split()[0]
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        rss = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        user, system = stat[stat.rindex(")") + 2 :].split()[11:13]
        return Usage(int(rss) / 1024, (int(user) + int(system)) / 100)

    def until(self, what: str, seconds: float, holds: Callable[[], bool], news: Callable[[], str] = str) -> float:
        """Waits; answers how long it took."""
        began = time.monotonic()
        with progress.step(what, news):
            while not holds():
                if time.monotonic() - began > seconds:
                    raise EnvironmentFailure(f"{what}: not within {seconds:.0f} s. {news()}")
                time.sleep(1)
        return time.monotonic() - began

    def _control(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._shell["NUVEM_CONTROL_URL"] + path, data, {"Content-Type": "application/json"}, method=method)
        with _DIRECT.open(request, timeout=60) as answer:
            return json.load(answer)
