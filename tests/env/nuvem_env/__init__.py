"""Builds, starts, repairs and stops the local environment: a real control plane, a believable AWS, the fault proxy and the operator."""
