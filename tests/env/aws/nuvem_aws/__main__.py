"""`python -m nuvem_aws --host 127.0.0.1 --port 4566`"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from typing import Any, NoReturn


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="nuvem_aws", description="A local AWS that answers as AWS does where operators break."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a short queue is nothing to warn of
    signal.signal(signal.SIGTERM, _end)
    os.environ["MOTO_PORT"] = str(arguments.port)  # moto's Lambda calls its own server
    _serve(arguments.host, arguments.port)


def _end(*_: Any) -> NoReturn:
    """Nothing is kept on disk, so there is nothing to put in order."""
    os._exit(0)


def _serve(host: str, port: int) -> None:
    # Imported here, so that --help and a wrong argument answer at once.
    import waitress

    from .server import Application
    from .state import World

    application = Application(World())
    application.warm_up()
    waitress.serve(
        application, host=host, port=port, threads=8, connection_limit=1000, channel_timeout=300,
        asyncore_use_poll=True, ident="nuvem_aws",
    )  # fmt: skip


if __name__ == "__main__":
    main()
