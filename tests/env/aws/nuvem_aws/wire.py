"""EC2's query protocol: form parameters in, XML out, both steered by the API model."""

from __future__ import annotations

import functools
import re
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from . import model
from .errors import AwsError, invalid_parameter, missing_parameter

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
# What carries the call itself; everything else is a parameter of the action.
ENVELOPE = {
    "Action", "Version", "AWSAccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp", "Expires",
    "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Security-Token", "X-Amz-Signature",
    "X-Amz-SignedHeaders",
}  # fmt: skip
_ILLEGAL_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class Fragment(str):
    """XML that is already rendered, for parts of a response that are worth keeping."""


# ---------------------------------------------------------------- requests


def flat_parameters(body: str, query: str = "") -> dict[str, str]:
    """The form as sent, in one level: {"Filter.1.Name": "instance-id", ...}."""
    pairs = parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True)
    return dict(pairs)


def parse(action: str, flat: dict[str, str]) -> dict[str, Any]:
    """The parameters of a call under the names of the API reference, typed and checked.

    Unknown ones are `UnknownParameter`, as in AWS, and never ignored: what a caller sends has an effect or
    is refused.
    """
    tree = _tree({name: value for name, value in flat.items() if name not in ENVELOPE})
    shape_name = model.input_shape(action)
    if shape_name is None:
        if tree:
            raise _unknown(next(iter(tree)))
        return {}
    return _structure(shape_name, tree, "")


def _tree(flat: dict[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        node = tree
        *parents, leaf = name.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise _unknown(name)
        if isinstance(node.get(leaf), dict):
            raise _unknown(name)
        node[leaf] = value
    return tree


def _unknown(name: str) -> AwsError:
    return AwsError("UnknownParameter", f"The parameter {name} is not recognized")


@functools.cache
def _input_members(shape_name: str) -> dict[str, tuple[str, str]]:
    """Name in the form -> (name in the API reference, shape)."""
    members = {}
    for name, ref in model.shape(shape_name).get("members", {}).items():
        sent = ref.get("queryName") or ref.get("locationName", name)
        members[sent[0].upper() + sent[1:]] = (name, ref["shape"])
    return members


def _structure(shape_name: str, tree: dict[str, Any], path: str) -> dict[str, Any]:
    members = _input_members(shape_name)
    parsed = {}
    for sent, node in tree.items():
        if sent not in members:
            raise _unknown(path + sent)
        name, member_shape = members[sent]
        parsed[name] = _value(member_shape, node, path + sent)
    for required in model.shape(shape_name).get("required", []):
        if required not in parsed:
            sent = next(s for s, (name, _) in members.items() if name == required)
            raise missing_parameter(path + sent)
    return parsed


def _list(shape_name: str, tree: dict[str, Any], path: str) -> list[Any]:
    member_shape = model.shape(shape_name)["member"]["shape"]
    indexes = sorted(tree, key=lambda index: (len(index), index))
    if not all(index.isdigit() for index in indexes):
        raise _unknown(f"{path}.{indexes[-1]}")
    return [_value(member_shape, tree[index], f"{path}.{index}") for index in indexes]


def _value(shape_name: str, node: Any, path: str) -> Any:
    kind = model.shape(shape_name)["type"]
    if kind in ("structure", "list"):
        if not isinstance(node, dict):
            if node == "":  # an empty list or structure, as SDKs send it
                return {} if kind == "structure" else []
            raise _unknown(path)
        return (_structure if kind == "structure" else _list)(
            shape_name, node, path + "." if kind == "structure" else path
        )
    if isinstance(node, dict):
        raise _unknown(f"{path}.{next(iter(node))}")
    return _scalar(shape_name, kind, node, path)


def _scalar(shape_name: str, kind: str, text: str, path: str) -> Any:
    if kind in ("integer", "long"):
        if not re.fullmatch(r"-?\d{1,18}", text):
            raise invalid_parameter(path, text, "Expected an integer.")
        return int(text)
    if kind == "boolean":
        if text.lower() not in ("true", "false"):
            raise AwsError("InvalidParameterValue", f"Invalid value '{text}' for {path}. Expected 'true' or 'false'")
        return text.lower() == "true"
    allowed = model.shape(shape_name).get("enum")
    if allowed and shape_name != "InstanceType" and text not in allowed:  # types have an error of their own: E17, E28
        raise invalid_parameter(path, text)
    return text


# ---------------------------------------------------------------- responses


def request_id() -> str:
    """E60: new for each call."""
    return str(uuid.uuid4())


def render(action: str, result: dict[str, Any]) -> bytes:
    shape_name = model.output_shape(action)
    inner = _renderer(shape_name)(result) if shape_name else "<return>true</return>"
    return (
        f'{DECLARATION}<{action}Response xmlns="{NAMESPACE}"><requestId>{request_id()}</requestId>'
        f"{inner}</{action}Response>"
    ).encode()


def render_error(error: AwsError) -> bytes:
    return (
        f"{DECLARATION}<Response><Errors><Error><Code>{escape(error.code)}</Code>"
        f"<Message>{text(error.message)}</Message></Error></Errors><RequestID>{request_id()}</RequestID></Response>"
    ).encode()


def fragment(shape_name: str, value: dict[str, Any]) -> Fragment:
    """The inside of an element of the given shape."""
    return Fragment(_renderer(shape_name)(value))


def text(value: str) -> str:
    """Escaped, without the control characters that XML cannot carry."""
    return _ILLEGAL_IN_XML.sub("\ufffd", escape(value))


def timestamp(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


@functools.cache
def _renderer(shape_name: str) -> Callable[[Any], str]:
    kind = model.shape(shape_name)["type"]
    if kind == "structure":
        return _structure_renderer(shape_name)
    if kind == "list":
        return _list_renderer(shape_name)
    if kind == "timestamp":
        return timestamp
    if kind == "boolean":
        return lambda value: "true" if value else "false"
    if kind in ("integer", "long", "double", "float"):
        return str
    return text


def _structure_renderer(shape_name: str) -> Callable[[Any], str]:
    members = {
        name: (ref.get("locationName", name), ref["shape"])
        for name, ref in model.shape(shape_name).get("members", {}).items()
    }

    def render_structure(value: dict[str, Any] | Fragment) -> str:
        if isinstance(value, Fragment):
            return value
        parts = []
        for name, member in value.items():
            if member is not None:
                element, member_shape = members[name]
                parts.append(f"<{element}>{_renderer(member_shape)(member)}</{element}>")
        return "".join(parts)

    return render_structure


def _list_renderer(shape_name: str) -> Callable[[Any], str]:
    member = model.shape(shape_name)["member"]
    element = member.get("locationName", "member")

    def render_list(values: list[Any]) -> str:
        render_member = _renderer(member["shape"])
        return "".join(f"<{element}>{render_member(value)}</{element}>" for value in values)

    return render_list
