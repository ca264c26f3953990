"""What is measured, in the order of a resource's life."""

from __future__ import annotations

from typing import Any

from nuvem_env import progress

from bench_cluster import NAMESPACE, BenchCluster
from report import Report

SWEEPS = 4
SWEEP_SECONDS = 30
LISTINGS = ("ec2.DescribeInstances", "ec2.DescribeVolumes", "ec2.DescribeSecurityGroups")
DRIFTED = 50
LAUNCHES_PER_SECOND = 1.6
"""RunInstances, as the governor paces it: 80 % of AWS's own limit."""


def measure(cluster: BenchCluster, instances: int, report: Report) -> None:
    """Create, rest, restart, drift, delete."""
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.dial(throttling="on")
    _create(cluster, instances, report)
    _rest(cluster, report)
    _restart(cluster, report)
    _drift(cluster, min(DRIFTED, instances), report)
    _delete(cluster, instances, report)


def _create(cluster: BenchCluster, instances: int, report: Report) -> None:
    cluster.count_anew()
    began = cluster.usage()
    names = [f"i{number:05}" for number in range(instances)]
    for first in range(0, instances, 250):
        cluster.create(names[first : first + 250])
    at_pace = instances / LAUNCHES_PER_SECOND
    took = cluster.until(
        f"{instances} instances are created (about {progress.duration(at_pace)} at AWS's own pace)",
        2 * at_pace + 300,
        lambda: cluster.converged() == instances,
        lambda: f"{cluster.converged()} of {instances}",
    )
    calls = cluster.calls()
    report.add("create: all Ready and Synced after", took, "s")
    report.add("create: writes for each instance", _writes(calls) / instances, "calls", 1)
    report.add("create: reads for each instance", (calls["total"] - _writes(calls)) / instances, "calls")
    report.add("create: refused for too many requests", _refused(calls), "calls", 0)
    report.add("create: CPU for each instance", 1000 * (cluster.usage().cpu_seconds - began.cpu_seconds) / instances, "ms")


def _rest(cluster: BenchCluster, report: Report) -> None:
    _until_swept(cluster, 2)
    before = cluster.versions()
    began = cluster.usage()
    _until_swept(cluster, SWEEPS)
    calls = cluster.calls()
    listings = sum(calls["by"].get(name, 0) for name in LISTINGS)
    report.add("at rest: listing calls a sweep", listings / SWEEPS, "calls", 6)
    report.add("at rest: other reads a minute", (calls["total"] - listings) / (SWEEPS * SWEEP_SECONDS / 60), "calls")
    report.add("at rest: writes to AWS", _writes(calls), "calls", 0)
    report.add("at rest: statuses written", _written(before, cluster.versions()), "", 0)
    report.add("at rest: CPU", 100 * (cluster.usage().cpu_seconds - began.cpu_seconds) / (SWEEPS * SWEEP_SECONDS), "% of a core")
    report.add("at rest: resident memory", cluster.usage().rss_mib, "MiB", 60)


def _restart(cluster: BenchCluster, report: Report) -> None:
    before = cluster.versions()
    cluster.count_anew()
    cluster.restart_operator()
    cluster.until("the new operator has swept once", 3 * SWEEP_SECONDS, lambda: _swept(cluster, 1))
    calls = cluster.calls()
    report.add("restart: calls until the first sweep is over", calls["total"], "calls", 25)
    report.add("restart: writes to AWS", _writes(calls), "calls", 0)
    report.add("restart: statuses written", _written(before, cluster.versions()), "", 0)
    report.add("restart: resident memory", cluster.usage().rss_mib, "MiB", 60)


def _drift(cluster: BenchCluster, drifted: int, report: Report) -> None:
    ids = cluster.instance_ids()
    cluster.count_anew()
    cluster.stop_in_aws(ids[:drifted])
    started = lambda: cluster.calls()["by"].get("ec2.StartInstances", 0) >= drifted  # noqa: E731
    took = cluster.until(f"{drifted} instances that were stopped by hand are started", 6 * SWEEP_SECONDS, started)
    took += cluster.until("all are Ready and Synced again", 120, lambda: cluster.converged() == len(ids))
    report.add(f"drift: {drifted} at once repaired after", took, "s")


def _delete(cluster: BenchCluster, instances: int, report: Report) -> None:
    cluster.count_anew()
    cluster.kubectl("delete", "ec2", "--all", "--wait=false")
    took = cluster.until("all are deleted", 1800, lambda: cluster.count() == 0, lambda: f"{cluster.count()} left")
    calls = cluster.calls()
    report.add("delete: all gone after", took, "s")
    report.add("delete: writes for each instance", _writes(calls) / instances, "calls")
    report.add("delete: refused for too many requests", _refused(calls), "calls", 0)


def _until_swept(cluster: BenchCluster, sweeps: int) -> None:
    """Counts anew. Begun at the end of a sweep, it counts whole ones."""
    cluster.count_anew()
    cluster.until(f"AWS is swept {sweeps} times", (sweeps + 2) * SWEEP_SECONDS, lambda: _swept(cluster, sweeps))


def _swept(cluster: BenchCluster, times: int) -> bool:
    """A sweep's last listing is that of the security groups."""
    return cluster.calls()["by"].get("ec2.DescribeSecurityGroups", 0) >= times


def _writes(calls: dict[str, Any]) -> int:
    return sum(call["mutating"] for call in calls["log"])


def _refused(calls: dict[str, Any]) -> int:
    return sum(call["status"] == 503 for call in calls["log"])


def _written(before: list[str], after: list[str]) -> int:
    return len(set(after) - set(before))
