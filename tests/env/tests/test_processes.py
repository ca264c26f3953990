"""Whose process it is, and that stopping spares others."""

import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nuvem_env import processes
from nuvem_env.processes import Identity


class KnowsProcesses(unittest.TestCase):
    def setUp(self) -> None:
        self.sleeper = subprocess.Popen(["sleep", "60"], start_new_session=True)
        self.addCleanup(self.sleeper.wait)
        self.addCleanup(self.sleeper.kill)
        self.identity = Identity.of(self.sleeper.pid)

    def test_one_that_runs_lives(self) -> None:
        self.assertTrue(self.identity.lives())

    def test_one_that_was_stopped_lives(self) -> None:
        self.sleeper.send_signal(signal.SIGSTOP)
        self.assertTrue(self.identity.lives())

    def test_one_that_ended_and_waits_to_be_reaped_does_not(self) -> None:
        self.sleeper.kill()
        os.waitid(os.P_PID, self.sleeper.pid, os.WEXITED | os.WNOWAIT)
        self.assertFalse(self.identity.lives())

    def test_another_with_the_same_id_is_spared(self) -> None:
        predecessor = Identity(self.sleeper.pid, "another start")
        self.assertFalse(predecessor.lives())
        processes.stop([predecessor], 0)
        self.assertTrue(self.identity.lives())


class Stops(unittest.TestCase):
    def test_a_daemon_that_ignores_sigterm_and_what_it_started(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            log = Path(name) / "log"
            script = "trap '' TERM; sleep 61 & echo $!; while :; do sleep 1; done"
            identity = processes.start_daemon(["/bin/sh", "-c", script], {"PATH": os.defpath}, Path(name), log)
            self.assertTrue(processes.wait_until(lambda: log.read_text().strip().isdecimal(), 5))
            child = Identity.of(int(log.read_text()))
            processes.stop([identity], 0.2)
            self.assertFalse(identity.lives())
            self.assertFalse(child.lives())

    def test_a_daemon_that_is_frozen_without_waiting_for_the_grace_period(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            identity = processes.start_daemon(["sleep", "62"], {"PATH": os.defpath}, Path(name), Path(name) / "log")
            identity.send(signal.SIGSTOP)
            os.waitid(os.P_PID, identity.pid, os.WSTOPPED | os.WNOWAIT)
            processes.stop([identity], 30)
            self.assertFalse(identity.lives())


class ReadsStat(unittest.TestCase):
    def test_whatever_the_name_is(self) -> None:
        stat = "12 (a) b (c) S 1 77 77 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4242 0 0"
        self.assertEqual(processes.parse_stat(stat), processes.Stat(state="S", group=77, start="4242"))


if __name__ == "__main__":
    unittest.main()
