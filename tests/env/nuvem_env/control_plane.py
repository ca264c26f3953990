"""etcd, kube-apiserver and kube-controller-manager."""

from __future__ import annotations

import secrets
from pathlib import Path

from nuvem_env import files, processes, progress
from nuvem_env.cluster import Cluster
from nuvem_env.daemons import Keeper, answers
from nuvem_env.errors import EnvironmentFailure, last_lines
from nuvem_env.signing_key import new_pem
from nuvem_env.tools import Tools

DATA_FOLDERS = ("etcd", "kubernetes")


def start(keeper: Keeper, tools: Tools) -> Cluster:
    """Returns when the cluster is usable: namespaces exist, and pods' ServiceAccounts are made."""
    folder = keeper.settings.state / "kubernetes"
    key, token = _secrets(folder)
    etcd = _start_etcd(keeper, tools)
    cluster = _start_api_server(keeper, tools, etcd, folder, key, token)
    cluster.write_kubeconfig(keeper.settings.kubeconfig, "admin", token, "default")
    _start_controller_manager(keeper, tools, key)
    _wait_for_namespaces(keeper, cluster)
    return cluster


def _secrets(folder: Path) -> tuple[Path, str]:
    """The key that signs ServiceAccounts' tokens and the administrator's token: kept while the environment is up."""
    key, tokens = folder / "service-accounts.key", folder / "tokens.csv"
    if not key.exists():
        files.write_atomically(key, new_pem(), 0o600)
    if not tokens.exists():
        files.write_atomically(tokens, f"{secrets.token_hex(16)},admin,admin,system:masters\n", 0o600)
    return key, tokens.read_text(encoding="utf-8").partition(",")[0]


def _start_etcd(keeper: Keeper, tools: Tools) -> str:
    client = f"http://127.0.0.1:{keeper.state.port('etcd')}"
    peer = f"http://127.0.0.1:{keeper.state.port('etcd-peer')}"
    argv = [
        tools.etcd,
        "--name=nuvem",
        f"--data-dir={keeper.settings.state / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=nuvem={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]
    keeper.ensure("etcd", argv, lambda: answers(f"{client}/readyz"))
    return client


def _start_api_server(keeper: Keeper, tools: Tools, etcd: str, folder: Path, key: Path, token: str) -> Cluster:
    port = keeper.state.port("kube-apiserver")
    certificates = folder / "certificates"
    argv = [
        tools.api_server,
        f"--etcd-servers={etcd}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        # Without an address the server looks for a network interface, which a machine without a network does not have;
        # and nobody reaches it through the Service `kubernetes`, so nobody has to keep that one's endpoints.
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--cert-dir={certificates}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        # Finds out whether our RBAC is enough for the owner references that we set.
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.0.0.0/24",
    ]
    cluster = Cluster(f"https://127.0.0.1:{port}", certificates / "apiserver.crt", token)
    keeper.ensure("kube-apiserver", argv, lambda: cluster.authority.exists() and cluster.has("/readyz"), seconds=120)
    return cluster


def _start_controller_manager(keeper: Keeper, tools: Tools, key: Path) -> None:
    argv = [
        tools.controller_manager,
        f"--kubeconfig={keeper.settings.kubeconfig}",
        "--controllers=namespace-controller,garbage-collector-controller,serviceaccount-controller",
        f"--service-account-private-key-file={key}",
        "--leader-elect=false",
        "--secure-port=0",
    ]
    # It listens nowhere; what it does is waited for below.
    keeper.ensure("kube-controller-manager", argv, lambda: True)


def _wait_for_namespaces(keeper: Keeper, cluster: Cluster) -> None:
    needed = ("/api/v1/namespaces/kube-system", "/api/v1/namespaces/default/serviceaccounts/default")
    if all(map(cluster.has, needed)):
        return
    with progress.step("waiting for namespaces and ServiceAccounts"):
        ready = processes.wait_until(lambda: not keeper.state.runs("kube-controller-manager") or all(map(cluster.has, needed)), 60)
    if not ready or not keeper.state.runs("kube-controller-manager"):
        log = keeper.settings.log("kube-controller-manager")
        raise EnvironmentFailure(f"kube-controller-manager does not do its work. The end of {log}:\n{last_lines(log)}")
