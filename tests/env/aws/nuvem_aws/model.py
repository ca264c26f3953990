"""EC2's API model as botocore ships it: which actions, parameters and response elements exist.

The model is the reason why unknown parameters are refused, and why responses carry the element names that
every SDK expects: handlers speak in the names of the API reference, and the model translates.
"""

from __future__ import annotations

import functools
import html
import re
from typing import Any

import botocore.loaders


@functools.cache
def _model() -> dict[str, Any]:
    return botocore.loaders.Loader().load_service_model("ec2", "service-2")


def has_action(action: str) -> bool:
    return action in _model()["operations"]


def shape(name: str) -> dict[str, Any]:
    return _model()["shapes"][name]


def input_shape(action: str) -> str | None:
    return _model()["operations"][action].get("input", {}).get("shape")


def output_shape(action: str) -> str | None:
    return _model()["operations"][action].get("output", {}).get("shape")


@functools.cache
def documented_filters(action: str) -> frozenset[str]:
    """The filter names that the API reference lists for a Describe action (E58: others are refused).

    `tag` stands for `tag:<key>`; the list is only kept in the model as documentation.
    """
    text = shape(input_shape(action))["members"]["Filters"].get("documentation", "")
    names = re.findall(r"<li>\s*<p>\s*<code>([^<]+)</code>", html.unescape(text).replace("<key>", ""))
    return frozenset("tag" if name == "tag:" else name for name in names)
