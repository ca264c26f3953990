"""The control interface: dials, health, reset. It belongs to tests and is no part of AWS."""

from __future__ import annotations

import json
from typing import Any

from . import moto_ec2
from .dials import DialError
from .moto_behind import Answer
from .state import World

PREFIX = "/_nuvem/"


class Control:
    def __init__(self, world: World):
        self._world = world

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        with self._world.lock:
            match method, path:
                case "GET", "/_nuvem/health":
                    return _json(200, {"status": "ready"})
                case "GET", "/_nuvem/aws":
                    return _json(200, self._world.dials.as_json())
                case "PUT", "/_nuvem/aws":
                    return self._turn(body)
                case "POST", "/_nuvem/reset":
                    return self._reset()
        return _json(
            404,
            {"error": f"no {method} {path}; there are GET and PUT /_nuvem/aws, GET /_nuvem/health, POST /_nuvem/reset"},
        )

    def _turn(self, body: bytes) -> Answer:
        try:
            self._world.dials = self._world.dials.changed(json.loads(body))
        except json.JSONDecodeError as error:
            return _json(400, {"error": f"the body is not JSON: {error}"})
        except DialError as error:
            return _json(400, {"error": str(error)})
        return _json(200, self._world.dials.as_json())

    def _reset(self) -> Answer:
        moto_ec2.reset()
        self._world.reset()
        return _json(200, self._world.dials.as_json())


def _json(status: int, value: dict[str, Any]) -> Answer:
    reason = {200: "OK", 400: "Bad Request", 404: "Not Found"}[status]
    return f"{status} {reason}", [("Content-Type", "application/json")], json.dumps(value).encode() + b"\n"
