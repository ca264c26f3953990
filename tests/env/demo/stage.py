"""What the story is played on: kubectl, AWS as a user of the account has it, and the fault proxy."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nuvem_env.launch import Launch
from nuvem_env.settings import ROOT, Settings, without_interference

from screen import Failed

NAMESPACE = "demo"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Instance:
    """As AWS has it."""

    id: str
    state: str
    type: str
    groups: tuple[str, ...]

    @property
    def lives(self) -> bool:
        return self.state not in ("shutting-down", "terminated")

    def __str__(self) -> str:
        return f"{self.id} ({self.type})"


class Stage:
    """One environment."""

    def __init__(self, settings: Settings) -> None:
        launch = Launch.load(settings)
        if launch is None:
            raise Failed("the environment is not up")
        self._settings = settings
        self._shell = launch.shell

    # --- Kubernetes

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Its stdout; it must succeed."""
        ran = self._run(arguments, stdin)
        if ran.returncode != 0:
            raise Failed(f"kubectl {' '.join(arguments)}: {ran.stdout}{ran.stderr}".rstrip())
        return ran.stdout

    def refusal(self, manifest: str) -> str:
        """What the API server says to a manifest that it must not take."""
        ran = self._run(("apply", "--filename", "-"), manifest)
        if ran.returncode == 0:
            raise Failed(f"the API server has taken it: {ran.stdout}")
        return ran.stderr

    def _run(self, arguments: Sequence[str], stdin: str) -> subprocess.CompletedProcess[str]:
        variables = {
            **without_interference(),
            "KUBECONFIG": self._shell["KUBECONFIG"],
            "KUBECACHEDIR": str(self._settings.state / "helm" / "demo"),
        }
        return subprocess.run(
            [str(self._settings.bin / "kubectl"), "--namespace", NAMESPACE, *arguments],
            env=variables,
            cwd=ROOT,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def events(self, name: str, reason: str) -> list[str]:
        """What the events with this reason say about an instance, oldest first."""
        selector = f"involvedObject.name={name},reason={reason}"
        found = json.loads(self.kubectl("get", "events", "--field-selector", selector, "--output", "json"))["items"]
        return [str(event["message"]) for event in sorted(found, key=lambda event: str(event["eventTime"]))]

    def processes(self) -> list[str]:
        """The operator's process ids."""
        return self._settings.pids_file.read_text(encoding="utf-8").split()

    # --- AWS

    def aws(self, action: str, **parameters: str) -> ElementTree.Element:
        """A call of EC2's query API, not through the proxy. The emulator checks no signature; the scope names the Region."""
        form = {"Action": action, "Version": "2016-11-15", **{name.replace("_", "."): value for name, value in parameters.items()}}
        scope = f"Credential={self._shell['AWS_ACCESS_KEY_ID']}/20261124/{self._shell['AWS_REGION']}/ec2/aws4_request"
        request = urllib.request.Request(
            self._shell["AWS_ENDPOINT_URL"],
            urllib.parse.urlencode(form).encode(),
            {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"},
        )
        try:
            with _DIRECT.open(request, timeout=30) as answer:
                return _without_namespaces(ElementTree.fromstring(answer.read()))
        except urllib.error.HTTPError as refusal:
            raise Failed(f"AWS refused {action}: {refusal.read().decode(errors='replace')}") from refusal

    def instances(self, name: str = "*") -> list[Instance]:
        """The living instances of an Ec2Instance, or of all of them, by AWS's own tags."""
        found = self._tagged("DescribeInstances", name).iterfind("reservationSet/item/instancesSet/item")
        instances = [
            Instance(
                id=item.findtext("instanceId", ""),
                state=item.findtext("instanceState/name", ""),
                type=item.findtext("instanceType", ""),
                groups=tuple(group.text or "" for group in item.iterfind("groupSet/item/groupId")),
            )
            for item in found
        ]
        return [instance for instance in instances if instance.lives]

    def groups(self, name: str = "*") -> list[str]:
        found = self._tagged("DescribeSecurityGroups", name).iterfind("securityGroupInfo/item/groupId")
        return [group.text or "" for group in found]

    def volumes(self, name: str = "*") -> list[str]:
        found = self._tagged("DescribeVolumes", name).iterfind("volumeSet/item/volumeId")
        return [volume.text or "" for volume in found]

    def open_ports(self, group: str) -> list[str]:
        """What a group lets in, as `22 from 203.0.113.0/24`."""
        answer = self.aws("DescribeSecurityGroups", GroupId_1=group)
        return sorted(
            f"{rule.findtext('fromPort')} from {peer.text}"
            for rule in answer.iterfind("securityGroupInfo/item/ipPermissions/item")
            for peer in rule.iterfind("ipRanges/item/cidrIp")
        )

    def _tagged(self, action: str, name: str) -> ElementTree.Element:
        return self.aws(
            action, Filter_1_Name="tag:nuvem.dev/resource", Filter_1_Value_1=f"Ec2Instance/{NAMESPACE}/{name}"
        )

    # --- The fault proxy

    def faults(self, *faults: Mapping[str, Any]) -> None:
        self._control("PUT", "/faults", list(faults))

    def hits(self) -> list[int]:
        """How often each fault has struck."""
        return [int(fault["hit"]) for fault in self._control("GET", "/faults")]

    def _control(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._shell["NUVEM_CONTROL_URL"] + path, data, {"Content-Type": "application/json"}, method=method)
        with _DIRECT.open(request, timeout=30) as answer:
            return json.load(answer)


def _without_namespaces(root: ElementTree.Element) -> ElementTree.Element:
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
