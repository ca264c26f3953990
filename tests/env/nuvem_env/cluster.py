"""The local cluster's API, as far as the environment itself needs it, and the kubeconfigs that others use."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuvem_env import files
from nuvem_env.errors import EnvironmentFailure


@dataclass(frozen=True)
class Cluster:
    """An API server and who we are to it."""

    url: str
    authority: Path
    token: str

    def get(self, path: str) -> Any:
        return self._request("GET", path, None, "application/json")

    def post(self, path: str, body: Any) -> Any:
        return self._request("POST", path, body, "application/json")

    def discovered(self) -> set[tuple[str, str]]:
        """Group and plural of all that kubectl knows, by the document that it reads; which follows some moments after a definition
        is established."""
        document = self._request("GET", "/apis", None, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
        return {
            (group["metadata"]["name"], resource["resource"])
            for group in document["items"]
            for version in group["versions"]
            for resource in version.get("resources", [])
        }

    def has(self, path: str) -> bool:
        """False too while the server does not answer yet."""
        try:
            self.get(path)
        except (EnvironmentFailure, OSError, http.client.HTTPException):
            return False
        return True

    def write_kubeconfig(self, path: Path, user: str, token: str, namespace: str) -> None:
        """With the authority inside: the file can be copied anywhere on this machine."""
        authority = base64.b64encode(self.authority.read_bytes()).decode()
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "nuvem", "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "nuvem", "context": {"cluster": "nuvem", "user": user, "namespace": namespace}}],
            "current-context": "nuvem",
        }
        files.write_atomically(path, json.dumps(content, indent=2) + "\n", 0o600)

    def _request(self, method: str, path: str, body: Any, accept: str) -> Any:
        request = urllib.request.Request(
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", "Accept": accept},
        )
        try:
            with self._opener().open(request, timeout=10) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise EnvironmentFailure(
                    f"{method} {path} was answered with {error.code}: {error.read().decode(errors='replace')}"
                ) from error
        return json.loads(content) if content.startswith(b"{") else content.decode()

    def _opener(self) -> urllib.request.OpenerDirector:
        context = ssl.create_default_context(cafile=str(self.authority))
        # From Python 3.13 on the default is strict about extensions that the server's self-made certificate leaves out.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
