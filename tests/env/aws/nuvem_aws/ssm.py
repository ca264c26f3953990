"""Public SSM parameters that name AMIs. moto has Amazon Linux's; the other vendors' are added to its store."""

from __future__ import annotations

from . import images
from .state import ACCOUNT


def seed(region: str) -> None:
    from moto.ssm.models import ssm_backends

    if region not in ssm_backends[ACCOUNT]:
        return
    known = ssm_backends[ACCOUNT][region]._parameters
    for name, image_id in images.ssm_parameters(region).items():
        if not dict.__contains__(known, name):
            known[name] = [_public(name, image_id)]


def _public(name: str, value: str) -> object:
    from moto.ssm.models import Parameter

    return Parameter(
        account_id=ACCOUNT, name=name, value=value, parameter_type="String", description=None, allowed_pattern=None,
        keyid=None, last_modified_date=0.0, version=1, data_type="text",
    )  # fmt: skip
