"""What `make test` runs, and with what."""

import os
import sys
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nuvem_env import checks
from nuvem_env.settings import Settings, Wishes


class Groups(unittest.TestCase):
    def test_what_the_caller_wishes_for_an_environment_of_theirs_does_not_reach_the_tests(self) -> None:
        settings = Settings(Path("/state"), Path("/cache"), Path("/target"), "dev")
        with mock.patch.dict(os.environ, {"NUVEM_REPLICAS": "3", "NUVEM_ARGS": "--log-level=trace", "NUVEM_STATE": "/elsewhere"}):
            groups = checks._with_environment(settings)
        for group in groups:
            self.assertEqual(Wishes.read(group.variables, checks.FOR_TESTS), checks.FOR_TESTS)
            self.assertEqual(group.variables["NUVEM_STATE"], "/state")


if __name__ == "__main__":
    unittest.main()
