"""How a replica is started, and what a shell makes of `.local/env`."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nuvem_env import chart, launch
from nuvem_env.chart import Container
from nuvem_env.errors import EnvironmentFailure
from nuvem_env.processes import Identity
from nuvem_env.settings import Settings, Wishes
from nuvem_env.state import State


def container(**changes: object) -> Container:
    variables = (
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "EMPTY"},
    )
    parts = {
        "command": ("nuvem",),
        "arguments": ("run", "--lease=$(POD_NAME)"),
        "variables": variables,
        "service_account": "nuvem",
        "grace": 30.0,
    }
    return Container(**{**parts, **changes})


class EnvFile(unittest.TestCase):
    def test_survives_every_character_in_a_shell(self) -> None:
        value = """a b'c"d$HOME`e`\\f"""
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "env"
            path.write_text(launch.env_file({"KUBECONFIG": value}, Path("/with space/bin"), [12, 34]), encoding="utf-8")
            script = f'. {path} && printf "%s|" "$KUBECONFIG" "$PATH" "$NUVEM_OPERATOR_PIDS" "${{AWS_CA_BUNDLE-unset}}"'
            answer = subprocess.run(
                ["/bin/sh", "-c", script], env={"PATH": "/bin:/usr/bin", "AWS_CA_BUNDLE": "/x"}, capture_output=True, text=True, check=True
            )
        self.assertEqual(answer.stdout, f"{value}|/with space/bin:/bin:/usr/bin|12 34|unset|")


class StartsAReplica(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.settings = Settings.read({"NUVEM_STATE": folder.name, "HOME": "/nobody"})
        self.state = State(self.settings.state / "state.json", Wishes(arguments="--sweep '5 s'"))

    def replica(self, caller: dict[str, str]) -> launch.Replica:
        return launch.replica(1, self.settings, self.state, container(), Path("/bin/nuvem"), "http://127.0.0.1:1", caller)

    def test_with_the_charts_arguments_and_then_ours(self) -> None:
        address = f"127.0.0.1:{self.state.port('operator-1')}"
        self.assertEqual(self.replica({}).argv, ["/bin/nuvem", "run", "--lease=nuvem-1", "--http-address", address, "--sweep", "5 s"])

    def test_with_the_charts_variables_and_a_key_of_its_own(self) -> None:
        variables = self.replica({}).variables
        self.assertEqual((variables["POD_NAME"], variables["POD_NAMESPACE"], variables["EMPTY"]), ("nuvem-1", "nuvem-system", ""))
        self.assertEqual(variables["AWS_ACCESS_KEY_ID"], "AKIANUVEMREPLICA0001")

    def test_with_nothing_of_the_callers_account_or_network(self) -> None:
        caller = {"AWS_CA_BUNDLE": "/x", "AWS_PROFILE": "mine", "HTTPS_PROXY": "http://proxy", "RUST_LOG": "debug"}
        variables = self.replica(caller).variables
        self.assertEqual([name for name in caller if name in variables], ["RUST_LOG"])

    def test_each_replica_has_a_port_of_its_own_which_stays(self) -> None:
        self.assertEqual(self.replica({}).http, self.replica({}).http)
        self.assertNotEqual(self.state.port("operator-0"), self.state.port("operator-1"))

    def test_what_cannot_be_filled_in_is_said(self) -> None:
        secret = ({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}},)
        with self.assertRaisesRegex(EnvironmentFailure, "TOKEN"):
            container(variables=secret).variables_of("nuvem-0")


class Remembers(unittest.TestCase):
    def test_launch_and_running_replicas(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            settings = Settings.read({"NUVEM_STATE": name, "HOME": "/nobody"})
            saved = launch.Launch(
                3, "digest", 30.0, [launch.Replica(["nuvem"], {"A": "b"}, "/log", "http://127.0.0.1:1")], {"KUBECONFIG": "/k"}
            )
            saved.save(settings)
            self.assertEqual(launch.Launch.load(settings), saved)
            running = launch.Running(3, 1, [Identity(12, "boot/1")])
            running.save(settings)
            self.assertEqual(launch.Running.load(settings), running)

    def test_a_launch_differs_by_what_it_starts_and_not_by_its_number(self) -> None:
        one = launch.Launch(1, "digest", 30.0, [], {})
        self.assertTrue(one.starts_the_same(launch.Launch(2, "digest", 30.0, [], {})))
        self.assertFalse(one.starts_the_same(launch.Launch(1, "other", 30.0, [], {})))
        self.assertFalse(one.starts_the_same(None))


class Expands(unittest.TestCase):
    def test_as_kubernetes_does(self) -> None:
        for text, expected in (("$(A)-$(A)", "x-x"), ("$(B)", "$(B)"), ("$$(A)", "$(A)"), ("$A ${A}", "$A ${A}")):
            with self.subTest(text):
                self.assertEqual(chart.expand(text, {"A": "x"}), expected)


class ReadsWishes(unittest.TestCase):
    def test_from_variables_and_else_as_before(self) -> None:
        before = Wishes(2, "http://127.0.0.1:1", "--verbose")
        self.assertEqual(Wishes.read({}, before), before)
        self.assertEqual(Wishes.read({"NUVEM_REPLICAS": "3", "NUVEM_UPSTREAM": "", "NUVEM_ARGS": ""}, before), Wishes(3, "", ""))

    def test_refuses_nonsense_in_words(self) -> None:
        for name, value in (("NUVEM_REPLICAS", "0"), ("NUVEM_REPLICAS", "two"), ("NUVEM_ARGS", "'open")):
            with self.subTest(value), self.assertRaisesRegex(EnvironmentFailure, name):
                Wishes.read({name: value}, Wishes())


if __name__ == "__main__":
    unittest.main()
