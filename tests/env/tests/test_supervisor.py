"""Replicas come back when they end, stay when they are frozen, and change when they are told to."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ENVIRONMENT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ENVIRONMENT))

from nuvem_env.launch import Launch, Replica, Running
from nuvem_env.processes import wait_until
from nuvem_env.settings import Settings


class Supervises(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.settings = Settings.read({"NUVEM_STATE": folder.name, "HOME": "/nobody"})
        self.write(1, "60")
        variables = {**os.environ, "NUVEM_STATE": folder.name}
        self.supervisor = subprocess.Popen([sys.executable, ENVIRONMENT / "env.py", "supervise"], env=variables, stdout=subprocess.DEVNULL)
        self.addCleanup(self.supervisor.wait)
        self.addCleanup(self.supervisor.terminate)
        self.wait(lambda: len(self.running().replicas) == 2)

    def write(self, revision: int, seconds: str) -> None:
        variables = {"HOME": str(self.settings.state / "home"), "PATH": os.defpath}
        replicas = [Replica(["sleep", seconds], variables, str(self.settings.log(str(number))), "") for number in range(2)]
        Launch(revision, "", 5.0, replicas, {"KUBECONFIG": "/k"}).save(self.settings)

    def running(self) -> Running:
        return Running.load(self.settings)

    def wait(self, condition: object) -> None:
        self.assertTrue(wait_until(condition, 10), "waited for 10 s in vain")

    def test_one_that_is_killed_is_back_within_two_seconds_and_the_files_say_so(self) -> None:
        before = self.running().replicas
        began = time.monotonic()
        before[0].send(signal.SIGKILL)
        self.wait(lambda: before[0] not in self.running().replicas and len(self.running().replicas) == 2)
        self.assertLess(time.monotonic() - began, 2)
        after = self.running()
        self.assertEqual((after.replicas[1], after.exits), (before[1], 1))
        pids = [str(replica.pid) for replica in after.replicas]
        self.assertEqual(self.settings.pids_file.read_text().split(), pids)
        self.assertIn(f"NUVEM_OPERATOR_PIDS='{' '.join(pids)}'", self.settings.env_file.read_text())

    def test_one_that_is_frozen_is_left_alone(self) -> None:
        before = self.running()
        before.replicas[0].send(signal.SIGSTOP)
        before.replicas[1].send(signal.SIGKILL)
        self.wait(lambda: self.running().exits == 1)
        self.assertEqual(self.running().replicas[0], before.replicas[0])

    def test_a_new_launch_replaces_all(self) -> None:
        before = self.running().replicas
        self.write(2, "61")
        self.supervisor.send_signal(signal.SIGHUP)
        self.wait(lambda: self.running().revision == 2)
        after = self.running()
        self.assertFalse(set(before) & set(after.replicas))
        self.assertEqual((len(after.replicas), after.exits), (2, 0))
        self.assertFalse(any(replica.lives() for replica in before))

    def test_sigterm_ends_it_with_all_replicas(self) -> None:
        before = self.running().replicas
        self.supervisor.terminate()
        self.supervisor.wait(10)
        self.assertFalse(any(replica.lives() for replica in before))


if __name__ == "__main__":
    unittest.main()
