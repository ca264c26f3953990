"""The operator in the environment: installed by its chart, started by the supervisor."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from nuvem_env import chart, launch, processes, progress
from nuvem_env.cluster import Cluster
from nuvem_env.daemons import Keeper, answers
from nuvem_env.errors import EnvironmentFailure, last_lines
from nuvem_env.launch import Launch, Running
from nuvem_env.processes import Identity
from nuvem_env.rust import Binaries, digest
from nuvem_env.settings import ROOT, Settings
from nuvem_env.state import State

SUPERVISOR = "supervisor"
SECONDS_TO_READY = 60.0
EXITS_TO_GIVE_UP = 4


def prepare(keeper: Keeper, cluster: Cluster, helm: Path, binaries: Binaries, proxied: str, direct: str, control: str) -> Launch:
    """Installs the chart and describes how its replicas are started."""
    settings, state = keeper.settings, keeper.state
    container = chart.install(settings, helm, cluster, state.wishes.replicas)
    cluster.write_kubeconfig(settings.operator_kubeconfig, container.service_account, chart.mint_token(cluster, container), chart.NAMESPACE)
    replicas = [
        launch.replica(number, settings, state, container, binaries.nuvem, proxied, dict(os.environ))
        for number in range(state.wishes.replicas)
    ]
    made_of = f"{digest(binaries.nuvem)} {chart.service_account_uid(cluster, container)}"
    return Launch(0, made_of, container.grace, replicas, launch.shell_variables(settings, replicas[0], direct, control))


def run(keeper: Keeper, wanted: Launch, *, anew: bool) -> None:
    """Returns when every replica is ready. Replicas that run as wanted go on running, unless they are to be started `anew`."""
    settings, state = keeper.settings, keeper.state
    current = Launch.load(settings)
    revision = current.revision + 1 if current else 1
    if not state.runs(SUPERVISOR):
        processes.stop(Running.load(settings).replicas, wanted.grace)
        replace(wanted, revision=revision).save(settings)
        _start_supervisor(keeper)
    elif anew or not wanted.starts_the_same(current):
        replace(wanted, revision=revision).save(settings)
        state.daemons[SUPERVISOR].identity.send(signal.SIGHUP)
    else:
        revision = current.revision if current else revision
    _wait(settings, wanted, revision, [])


def kill(settings: Settings, state: State) -> None:
    """kill -9 of all replicas; returns when those that the supervisor started instead are ready."""
    wanted = Launch.load(settings)
    if wanted is None or not state.runs(SUPERVISOR):
        raise EnvironmentFailure("Nobody would start the operator again; `make up` repairs that.")
    killed = Running.load(settings).replicas
    for replica in killed:
        replica.send(signal.SIGKILL)
    _wait(settings, wanted, wanted.revision, killed)


def stop(keeper: Keeper) -> None:
    """The supervisor with its replicas; replicas alone if it has died."""
    wanted = Launch.load(keeper.settings)
    grace = wanted.grace if wanted else 0.0
    if keeper.state.runs(SUPERVISOR):
        # Only itself: it gives its replicas their grace period, and gets some seconds on top to end.
        supervisor = keeper.state.daemons[SUPERVISOR].identity
        supervisor.send(signal.SIGTERM)
        with progress.step("stopping the operator"):
            processes.wait_until(lambda: not supervisor.lives(), grace + 5)
        processes.stop([supervisor], 0)
    processes.stop(Running.load(keeper.settings).replicas, 0)


def _start_supervisor(keeper: Keeper) -> None:
    variables = {**os.environ, "NUVEM_STATE": str(keeper.settings.state)}
    argv = [sys.executable, ROOT / "tests" / "env" / "env.py", "supervise"]
    keeper.ensure(SUPERVISOR, argv, lambda: bool(Running.load(keeper.settings).replicas), variables=variables)


def _wait(settings: Settings, wanted: Launch, revision: int, gone: list[Identity]) -> None:
    """Until all of the revision's replicas are ready, and none of those that are `gone` is among them."""
    logs = [Path(replica.log) for replica in wanted.replicas]
    before = Running.load(settings)
    exits_before = before.exits if before.revision == revision else 0

    def started() -> bool:
        running = Running.load(settings)
        return running.revision == revision and len(running.replicas) == len(wanted.replicas) and not set(running.replicas) & set(gone)

    def gives_up() -> bool:
        running = Running.load(settings)
        return running.revision == revision and running.exits - exits_before >= EXITS_TO_GIVE_UP + len(gone)

    def ready() -> bool:
        return (
            started()
            and all(identity.lives() for identity in Running.load(settings).replicas)
            and all(answers(replica.ready_url) for replica in wanted.replicas)
        )

    with progress.step("waiting until the operator is ready"):
        in_time = processes.wait_until(lambda: ready() or gives_up(), SECONDS_TO_READY + wanted.grace)
    if in_time and not gives_up():
        return
    what = "ends again and again" if gives_up() else "is not ready in time"
    ends = "\n".join(f"  The end of {log}:\n{last_lines(log)}" for log in logs)
    raise EnvironmentFailure(f"The operator {what}.\n{ends}")
