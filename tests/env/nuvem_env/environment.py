"""The environment as a whole: up, down, and the operator alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator

from nuvem_env import (
    aws,
    control_plane,
    files,
    operator,
    prerequisites,
    processes,
    progress,
    rust,
    state,
    tools,
    venv,
)
from nuvem_env.daemons import GRACE, Keeper
from nuvem_env.errors import EnvironmentFailure
from nuvem_env.settings import Settings, Wishes
from nuvem_env.state import State
from nuvem_env.tools import Cabinet

DATA_FOLDERS = (*control_plane.DATA_FOLDERS, "aws", "helm", "operator-home", "bin")
"""Removed at the end, by name, since the state folder may be one that the caller uses for more. Logs stay until the next `make up`."""


def up(settings: Settings, wishes: Wishes) -> None:
    """Builds what is missing, starts what does not run, upgrades what has changed."""
    with _alone(settings):
        known = State.load(settings)
        fresh = not any(map(known.runs, known.daemons))
        if fresh:
            _stop_all(Keeper(settings, known))
            _forget_data(settings)
            _forget_logs(settings)
            known = State.load(settings)
        known.wishes = wishes
        keeper = Keeper(settings, known)
        try:
            _converge(keeper, anew=False)
        except BaseException:
            with _uninterrupted():
                _undo(keeper, fresh)
            raise


def restart(settings: Settings) -> None:
    """Builds, upgrades the chart, and starts the operator anew; nothing else."""
    with _alone(settings):
        known = _of_running(settings)
        known.wishes = Wishes.read(os.environ, known.wishes)
        _converge(Keeper(settings, known, replaces=False), anew=True)


def kill(settings: Settings) -> None:
    """kill -9 of all replicas, and started again."""
    with _alone(settings):
        operator.kill(settings, _of_running(settings))


def down(settings: Settings) -> None:
    """Stops all that was started, and removes its data."""
    if not state.is_state_folder(settings.state):
        progress.say(f"Nothing is up in {settings.state}.")
        return
    with _alone(settings), _uninterrupted():
        _stop_all(Keeper(settings, State.load(settings)))
        _forget_data(settings)
        progress.say(f"Down. Logs are kept in {settings.state}.")


@contextlib.contextmanager
def running(settings: Settings, wishes: Wishes) -> Iterator[None]:
    """Up for as long as the block runs, however it ends; not as the caller's variables wish."""
    up(settings, wishes)
    try:
        yield
    finally:
        down(settings)


def _converge(keeper: Keeper, *, anew: bool) -> None:
    settings = keeper.settings
    prerequisites.check()
    cabinet = Cabinet(settings)
    upstream = keeper.state.wishes.upstream
    _announce(settings, cabinet, with_emulator=not upstream)
    programs = cabinet.complete()
    tools.expose(programs, settings.bin)
    interpreter = None if upstream else venv.python(settings)
    binaries = rust.build(settings)
    keeper.state.save()
    cluster = control_plane.start(keeper, programs)
    emulator = aws.start_emulator(keeper, interpreter) if interpreter else None
    endpoint = emulator or upstream
    proxied, control = aws.start_proxy(keeper, binaries, endpoint, f"{endpoint}/_nuvem/aws" if emulator else None)
    wanted = operator.prepare(keeper, cluster, programs.helm, binaries, proxied, endpoint, control)
    operator.run(keeper, wanted, anew=anew)


def _announce(settings: Settings, cabinet: Cabinet, *, with_emulator: bool) -> None:
    """What the first run on a machine is going to build; silent when there is nothing."""
    builds = [(f"{recipe.name} {recipe.pinned}", recipe.seconds) for recipe in cabinet.missing()]
    if with_emulator and not venv.is_built(settings):
        builds.append(("the AWS emulator's virtual environment", venv.SECONDS))
    if not rust.is_built(settings):
        builds.append(("nuvem itself, with the AWS SDK", rust.COLD_SECONDS))
    if not builds:
        return
    total = sum(seconds for _, seconds in builds)
    progress.say(f"To be built first, once on this machine: about {progress.rounded(total)} on 2 cores, kept in {settings.cache}")
    for what, seconds in builds:
        progress.say(f"  {what:45} about {progress.rounded(seconds)}")


def _of_running(settings: Settings) -> State:
    known = State.load(settings)
    if not any(map(known.runs, known.daemons)):
        raise EnvironmentFailure(f"Nothing runs in {settings.state}: start it with `make up`.")
    return known


def _undo(keeper: Keeper, fresh: bool) -> None:
    """After a failure, what this run started is stopped; what had run before goes on."""
    if keeper.started:
        progress.say("Stopping what this run has started …")
    if fresh:
        _stop_all(keeper)
        _forget_data(keeper.settings)
    else:
        _stop(keeper, [name for name, daemon in keeper.state.daemons.items() if daemon.identity in keeper.started])


def _stop_all(keeper: Keeper) -> None:
    operator.stop(keeper)  # also when its supervisor has died: replicas can outlive it
    _stop(keeper, list(keeper.state.daemons))


def _stop(keeper: Keeper, names: list[str]) -> None:
    """In the opposite order of their start: each may need those before it for its end."""
    if operator.SUPERVISOR in names:
        operator.stop(keeper)
    for name in reversed(names):
        processes.stop([keeper.state.daemons[name].identity], GRACE)


def _forget_data(settings: Settings) -> None:
    for name in DATA_FOLDERS:
        shutil.rmtree(settings.state / name, ignore_errors=True)
    written = (
        settings.env_file,
        settings.pids_file,
        settings.kubeconfig,
        settings.operator_kubeconfig,
        settings.launch_file,
        settings.running_file,
    )
    for path in (*written, settings.state / state.FILE_NAME):
        path.unlink(missing_ok=True)


def _forget_logs(settings: Settings) -> None:
    for path in settings.state.glob("*.log"):
        path.unlink()


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """One command at a time for each environment."""
    with files.lock(settings.state / ".lock", f"at work in {settings.state}"):
        yield


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """A second Ctrl-C must not leave processes behind."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
