"""A private key for ServiceAccount tokens, without a tool or library beyond Python's own."""

from __future__ import annotations

import base64
import secrets

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def new_pem() -> str:
    """An elliptic-curve key on P-256 as RFC 5915 writes it. The public half may be left out, and Kubernetes derives it."""
    secret = (1 + secrets.randbelow(P256_ORDER - 1)).to_bytes(32, "big")
    version_one = bytes.fromhex("020101")
    octets = bytes([0x04, len(secret)]) + secret
    curve = bytes.fromhex("a00a06082a8648ce3d030107")
    content = version_one + octets + curve
    der = bytes([0x30, len(content)]) + content
    lines = base64.encodebytes(der).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{lines}-----END EC PRIVATE KEY-----\n"
