"""Installs the operator's own chart, and reads from what it rendered how a container of its Deployment would be started."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuvem_env import progress
from nuvem_env.cluster import Cluster
from nuvem_env.commands import answer_of
from nuvem_env.errors import EnvironmentFailure
from nuvem_env.processes import wait_until
from nuvem_env.settings import REGION, ROOT, Settings, without_interference

CHART = ROOT / "charts" / "nuvem"
VALUES = ROOT / "tests" / "env" / "values.yaml"
NAMESPACE = "nuvem-system"
RELEASE = "nuvem"
API_GROUP = "nuvem.dev"
TOKEN_SECONDS = 365 * 24 * 3600
"""Nobody renews it, as a kubelet would: longer than any environment is up."""


@dataclass(frozen=True)
class Container:
    """What a kubelet would start, and as whom."""

    command: tuple[str, ...]
    arguments: tuple[str, ...]
    variables: tuple[Mapping[str, Any], ...]
    service_account: str
    grace: float

    def variables_of(self, pod: str) -> dict[str, str]:
        """A pod's, with its own fields filled in."""
        fields = {
            "metadata.name": pod,
            "metadata.namespace": NAMESPACE,
            "metadata.uid": pod,
            "spec.nodeName": "local",
            "spec.serviceAccountName": self.service_account,
            "status.podIP": "127.0.0.1",
            "status.hostIP": "127.0.0.1",
        }
        return {variable["name"]: _value(variable, fields) for variable in self.variables}

    def arguments_of(self, pod: str) -> list[str]:
        """With Kubernetes' own `$(NAME)` filled in."""
        variables = self.variables_of(pod)
        return [expand(argument, variables) for argument in (*self.command[1:], *self.arguments)]


def _value(variable: Mapping[str, Any], fields: Mapping[str, str]) -> str:
    if "valueFrom" not in variable:
        return str(variable.get("value", ""))
    path = variable["valueFrom"].get("fieldRef", {}).get("fieldPath")
    if path not in fields:
        raise EnvironmentFailure(
            f"The chart's variable {variable['name']} comes from {variable['valueFrom']}, which the local environment cannot fill in."
        )
    return fields[path]


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` is the variable's value, `$$(NAME)` is `$(NAME)`, and an unknown name stays as it is."""

    def replace(match: re.Match[str]) -> str:
        return match[0][1:] if match[0].startswith("$$") else variables.get(match[1], match[0])

    return re.sub(r"\$?\$\(([-\w.]+)\)", replace, text)


def install(settings: Settings, helm: Path, cluster: Cluster, replicas: int) -> Container:
    """Installs or upgrades the release."""
    argv = [helm, "upgrade", "--install", RELEASE, CHART, "--namespace", NAMESPACE, "--create-namespace", "--values", VALUES]
    argv += ["--set", f"region={REGION}", "--set", f"replicaCount={replicas}"]
    with progress.step("installing the operator's Helm chart"):
        answer_of([str(part) for part in argv], helm_variables(settings))
        _wait_for_definitions(cluster)
    return _container(cluster)


def helm_variables(settings: Settings) -> dict[str, str]:
    """Helm with none of the caller's plugins and repositories. And with a cache of its own of what the cluster serves, since kubectl would
    believe what Helm remembers there from before the chart's kinds existed: `kubectl get nuvem` would fail the first time."""
    names = ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "KUBECACHEDIR")
    folders = {name: str(settings.state / "helm" / name) for name in names}
    return {**without_interference(), **folders, "KUBECONFIG": str(settings.kubeconfig)}


def service_account_uid(cluster: Cluster, container: Container) -> str:
    """A token dies with its ServiceAccount; one of the same name is another."""
    return str(cluster.get(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{container.service_account}")["metadata"]["uid"])


def mint_token(cluster: Cluster, container: Container) -> str:
    """A real one, by the API that a kubelet uses."""
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{container.service_account}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": TOKEN_SECONDS}}
    return str(cluster.post(path, request)["status"]["token"])


def _wait_for_definitions(cluster: Cluster) -> None:
    """An operator that starts before its kinds are served fails its first watches, and a kubectl does not know them."""

    def served() -> bool:
        definitions = cluster.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
        specs = [definition["spec"] for definition in definitions]
        ours = {(spec["group"], spec["names"]["plural"]) for spec in specs if spec["group"] == API_GROUP}
        return ours <= cluster.discovered()

    if not wait_until(served, 30):
        raise EnvironmentFailure("The chart's CustomResourceDefinitions are not served after 30 s; see `kubectl describe crds`.")


def _container(cluster: Cluster) -> Container:
    deployments = cluster.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments")["items"]
    pods = [item["spec"]["template"]["spec"] for item in deployments]
    if len(pods) != 1 or len(pods[0]["containers"]) != 1:
        raise EnvironmentFailure("The chart is expected to render one Deployment with one container.")
    pod, container = pods[0], pods[0]["containers"][0]
    if container.get("envFrom"):
        raise EnvironmentFailure("The chart's container uses envFrom, which the local environment cannot fill in.")
    return Container(
        command=tuple(container.get("command") or ["nuvem"]),
        arguments=tuple(container.get("args") or []),
        variables=tuple(container.get("env") or []),
        service_account=pod["serviceAccountName"],
        grace=float(pod["terminationGracePeriodSeconds"]),
    )
