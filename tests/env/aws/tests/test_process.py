"""The program itself: started as the environment starts it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent.parent


def start(port: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "nuvem_aws", "--host", "127.0.0.1", "--port", str(port)],
        cwd=HERE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_until_ready(process: subprocess.Popen, port: int) -> None:
    for _ in range(600):
        assert process.poll() is None, process.stdout.read()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_nuvem/health", timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("not ready within 30 seconds")


def test_it_becomes_ready_and_sigterm_ends_it_promptly():
    port = free_port()
    process = start(port)
    try:
        wait_until_ready(process, port)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0
        assert time.monotonic() - began < 2
    finally:
        process.kill()
        process.stdout.close()


def test_a_taken_port_is_told_and_ends_it():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start(taken.getsockname()[1])
        output, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Address already in use" in output
