"""moto's server behind this layer: what is not kept here goes there, and comes back without surprises.

moto answers an action or a filter that it lacks with an HTML page and status 500, which SDKs retry as if AWS
had stumbled. Here that becomes what AWS says: a 400 in the service's own protocol.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from typing import Any

from . import wire
from .errors import AwsError

log = logging.getLogger(__name__)
Answer = tuple[str, list[tuple[str, str]], bytes]


class MotoBehind:
    """A WSGI application turned into a function; moto itself is loaded when the first call needs it."""

    def __init__(self) -> None:
        self._application: Any = None

    def load(self) -> Any:
        if self._application is None:
            from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

            self._application = DomainDispatcherApplication(create_backend_app)
        return self._application

    def call(self, environ: dict[str, Any]) -> Answer:
        """moto's own answer; what it raises, it raises."""
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            started[:] = [status, headers]
            return started.append

        chunks: Iterable[bytes] = self.load()(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        status, headers = started[:2]
        return status, headers, body

    def ec2(self, environ: dict[str, Any]) -> Answer:
        """moto's EC2: its refusals are errors like ours, and its constant request id is made new (E60)."""
        try:
            status, headers, body = self.call(environ)
        except NotImplementedError as error:
            raise _not_implemented(error) from error
        body = re.sub(rb"(<request_?id>)[^<]*", rb"\g<1>" + wire.request_id().encode(), body, flags=re.IGNORECASE)
        return status, [(name, value) for name, value in headers if name.lower() != "content-length"], body

    def other(self, environ: dict[str, Any], service: str) -> Answer:
        """Any other service, with what moto lacks as a refusal in that service's protocol."""
        try:
            status, headers, body = self.call(environ)
        except NotImplementedError as error:
            log.warning("moto lacks something of %s: %s", service, error)
            return _refusal(environ, service, "InvalidAction", str(error), 400)
        except Exception:
            log.exception("moto failed at a call of %s", service)
            return _refusal(environ, service, "InternalFailure", "An internal error has occurred", 500)
        if status.startswith("5") and b"<!doctype html" in body[:200].lower():
            log.error("moto answered a call of %s with a page: %s", service, body[:2000])
            return _refusal(environ, service, "InternalFailure", "An internal error has occurred", 500)
        return status, headers, body


def _not_implemented(error: NotImplementedError) -> AwsError:
    """moto's FilterNotImplementedError says "The filter 'x' for DescribeY has not been implemented"."""
    found = re.search(r"filter '([^']+)'", str(error))
    if found:
        return AwsError("InvalidParameterValue", f"The filter '{found[1]}' is invalid")
    log.warning("moto lacks an EC2 action: %s", error)
    return AwsError("InvalidAction", f"The action is not valid for this web service. ({error})")


def _refusal(environ: dict[str, Any], service: str, code: str, message: str, status: int) -> Answer:
    line = f"{status} {'Bad Request' if status == 400 else 'Internal Server Error'}"
    if "HTTP_X_AMZ_TARGET" in environ or service == "lambda":
        body = json.dumps({"__type": code, "message": message, "Message": message}).encode()
        return line, [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", code)], body
    body = (
        f"{wire.DECLARATION}<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
        f"<Message>{wire.text(message)}</Message></Error><RequestId>{wire.request_id()}</RequestId></ErrorResponse>"
    ).encode()
    return line, [("Content-Type", "text/xml")], body
