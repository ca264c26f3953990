"""AWS as the environment has it: the emulator, and the fault proxy in front of it or of another endpoint."""

from __future__ import annotations

from pathlib import Path

from nuvem_env import venv
from nuvem_env.daemons import Keeper, answers
from nuvem_env.rust import Binaries, digest
from nuvem_env.settings import without_interference

SECRET_KEY = "of-a-local-emulator"
USERS_KEY = "AKIANUVEMUSER0000000"


def replicas_key(number: int) -> str:
    """Each replica its own, so that the proxy's log tells who called."""
    return f"AKIANUVEMREPLICA{number:04}"


def start_emulator(keeper: Keeper, interpreter: Path) -> str:
    """Its data is in memory: one that has died comes back empty."""
    port = keeper.state.port("aws")
    data = keeper.settings.state / "aws"
    data.mkdir(parents=True, exist_ok=True)
    argv = [interpreter, "-m", "nuvem_aws", "--host", "127.0.0.1", "--port", str(port)]
    variables = {**without_interference(), "PYTHONPATH": str(venv.AWS_FOLDER), "PYTHONUNBUFFERED": "1", "TMPDIR": str(data)}
    url = f"http://127.0.0.1:{port}"
    keeper.ensure("aws", argv, lambda: answers(f"{url}/_nuvem/health"), variables=variables)
    return url


def start_proxy(keeper: Keeper, binaries: Binaries, upstream: str, dials: str | None) -> tuple[str, str]:
    """The URLs of AWS through the proxy and of its control interface. The calls go to proxy.log, what it says itself to fault-proxy.log."""
    listen, control = (f"127.0.0.1:{keeper.state.port(name)}" for name in ("proxy", "proxy-control"))
    argv = [
        binaries.proxy,
        "--listen",
        listen,
        "--control",
        control,
        "--upstream",
        upstream,
        "--pids",
        keeper.settings.pids_file,
        "--log",
        keeper.settings.log("proxy"),
    ]
    if dials:
        argv += ["--dials", dials]
    keeper.ensure("fault-proxy", argv, lambda: answers(f"http://{control}/calls"), also=digest(binaries.proxy))
    return f"http://{listen}", f"http://{control}"
