"""Pages of a list (E57)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Any

from .errors import invalid_combination, invalid_parameter, invalid_value
from .state import Resource

SMALLEST, LARGEST = 5, 1000


def page(
    action: str, parameters: dict[str, Any], found: Iterable[Resource], ids: str | None = None
) -> tuple[list[Any], str | None]:
    """One page of what was found, in order of creation, and the token for the next one.

    `ids` names the parameter with ids, which excludes MaxResults. A token tells where the page before it
    ended, so what comes or goes meanwhile neither shifts nor repeats the rest.
    """
    size = parameters.get("MaxResults")
    if size is not None:
        _check_size(size)
        if ids and parameters.get(ids):
            raise invalid_combination(f"The parameter {ids} cannot be used with the parameter maxResults")
    after = _read_token(action, parameters["NextToken"]) if parameters.get("NextToken") else 0
    rest = sorted((one for one in found if one.number > after), key=lambda one: one.number)
    if size is None or len(rest) <= size:
        return rest, None
    return rest[:size], _token(action, rest[size - 1].number)


def _check_size(size: int) -> None:
    if size < SMALLEST:
        raise invalid_parameter("maxResults", f" {size} ", f"Expecting a value greater than {SMALLEST}.")
    if size > LARGEST:
        raise invalid_parameter("maxResults", f" {size} ", f"Expecting a value less than {LARGEST}.")


def _token(action: str, number: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([action, number]).encode()).decode()


def _read_token(action: str, token: str) -> int:
    try:
        of_action, number = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError, TypeError):
        raise invalid_value("Unable to parse pagination token") from None
    if of_action != action or not isinstance(number, int):
        raise invalid_value("Unable to parse pagination token")
    return number
