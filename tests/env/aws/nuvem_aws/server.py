"""The WSGI application: the control interface, EC2, and moto for the rest."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from typing import Any

from . import ssm, wire
from .control import PREFIX, Control
from .ec2 import Ec2
from .moto_behind import Answer, MotoBehind
from .state import World

_SCOPE = re.compile(r"Credential=[^/,\s]+/[^/]+/([^/]+)/([^/]+)/aws4_request")
DEFAULT_REGION = "us-east-1"


class Application:
    def __init__(self, world: World):
        self.world = world
        self._moto = MotoBehind()
        self._control = Control(world)
        self._ec2 = Ec2(world, self._moto)

    def warm_up(self) -> None:
        """Loads what the first call would otherwise wait for."""
        self._moto.load()
        self._ec2.answer(DEFAULT_REGION, {"Action": "DescribeInstances"}, {})

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, headers, body = self._answer(environ)
        start_response(
            status, [*(h for h in headers if h[0].lower() != "content-length"), ("Content-Length", str(len(body)))]
        )
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: dict[str, Any]) -> Answer:
        path = environ.get("PATH_INFO", "")
        if path.startswith(PREFIX):
            return self._control.answer(environ["REQUEST_METHOD"], path, _body(environ))
        region, service = _scope(environ)
        if service == "ec2":
            flat = wire.flat_parameters(_body(environ).decode(errors="replace"), environ.get("QUERY_STRING", ""))
            return self._ec2.answer(region, flat, environ)
        if service == "ssm":
            ssm.seed(region)
        return self._moto.other(environ, service)


def _scope(environ: dict[str, Any]) -> tuple[str, str]:
    """Region and service, from the credential scope; signatures are not checked."""
    found = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    return (found[1], found[2]) if found else (DEFAULT_REGION, "")


def _body(environ: dict[str, Any]) -> bytes:
    """The body, left in place for whoever reads it next."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body
