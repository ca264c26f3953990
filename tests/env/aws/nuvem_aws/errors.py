"""EC2's errors, with AWS's codes and wording. Callers branch on the code; people read the message."""

from __future__ import annotations


class AwsError(Exception):
    """An answer other than success. Nothing was done unless the raiser says so."""

    def __init__(self, code: str, message: str, status: int = 400):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def invalid_value(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)


def invalid_parameter(name: str, value: object, hint: str = "") -> AwsError:
    """The wording that EC2 uses where a parameter's own format or range is wrong."""
    return invalid_value(f"Value ({value}) for parameter {name} is invalid. {hint}".rstrip())


def invalid_combination(message: str) -> AwsError:
    return AwsError("InvalidParameterCombination", message)


def missing_parameter(name: str) -> AwsError:
    return AwsError("MissingParameter", f"The request must contain the parameter {name}")


def no_attributes() -> AwsError:
    """E16, E19: an empty list is not sent at all, so no group looks like no attribute."""
    return invalid_combination("No attributes specified.")


def different_networks() -> AwsError:
    """A group of another VPC than what it is put together with."""
    return AwsError("InvalidGroup.NotFound", "You have specified two resources that belong to different networks.")


def not_offered(what: str) -> AwsError:
    """AWS has it, this emulator does not: a clean refusal, so that nobody mistakes it for a success."""
    return AwsError("UnsupportedOperation", f"The local AWS does not offer {what}.")


def dry_run() -> AwsError:
    """E15: what a permitted call with DryRun answers."""
    return AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", status=412)


def throttled() -> AwsError:
    """E60."""
    return AwsError("RequestLimitExceeded", "Request limit exceeded.", status=503)


def incorrect_state(message: str) -> AwsError:
    return AwsError("IncorrectInstanceState", message)


def unsupported_in_zone(instance_type: str, zone: str) -> AwsError:
    """E27."""
    message = (
        f"Your requested instance type ({instance_type}) is not supported in your requested Availability Zone ({zone})."
    )
    return AwsError("Unsupported", message)


def wrong_architecture(of_type: list[str], of_image: str) -> AwsError:
    """E28."""
    return invalid_value(
        f"The architecture '{','.join(of_type)}' of the specified instance type does not match the architecture "
        f"'{of_image}' of the specified AMI. Specify an instance type and an AMI that have matching architectures."
    )


def dependency_violation(resource_id: str) -> AwsError:
    """E52."""
    return AwsError("DependencyViolation", f"resource {resource_id} has a dependent object")
