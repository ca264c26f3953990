"""Which prebuilt programs are used, and where they are looked for."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nuvem_env import tools
from nuvem_env.versions import (
    Version,
    fits_controller_manager,
    fits_etcd,
    fits_helm,
    fits_kubectl,
    fits_server,
)


class FindsVersions(unittest.TestCase):
    def test_in_what_programs_say(self) -> None:
        for text, expected in (
            ("Kubernetes v1.37.2", (1, 37, 2)),
            ("etcd Version: 3.6.16\nGit SHA: 1.2.3", (3, 6, 16)),
            ("Client Version: v1.36.0\nKustomize Version: v5.8.1", (1, 36, 0)),
            ("v4.3.1+g1234567", (4, 3, 1)),
            ("go version go1.26.8 linux/amd64", (1, 26, 8)),
            ("go version go1.27rc1 linux/amd64", (1, 27, 0)),
            ("cargo 1.97.0-nightly (f2d3ce0bd 2026-03-21)", (1, 97, 0)),
        ):
            with self.subTest(text):
                self.assertEqual(Version.find(text), Version(*expected))

    def test_nothing_where_none_is(self) -> None:
        self.assertIsNone(Version.find("command not found"))

    def test_somebodys_own_build_is_not_the_release_of_its_number(self) -> None:
        self.assertIsNone(Version.find_release("Client Version: v1.37.4-dispatcher"))
        self.assertIsNone(Version.find_release("Kubernetes v1.38.0-rc.1"))
        self.assertEqual(Version.find_release("Kubernetes v1.36.1+k3s1"), Version(1, 36, 1))


class Fits(unittest.TestCase):
    def test_servers_from_the_oldest_that_the_chart_allows_to_the_pinned_one(self) -> None:
        minors = [minor for minor in range(30, 41) if fits_server(Version(1, minor, 0))]
        self.assertEqual(minors, [33, 34, 35, 36, 37])

    def test_the_pinned_server_is_the_newest_that_fits(self) -> None:
        self.assertTrue(fits_server(tools.API_SERVER.pinned))

    def test_kubectl_within_one_minor_version(self) -> None:
        server = Version(1, 36, 3)
        minors = [minor for minor in range(30, 41) if fits_kubectl(Version(1, minor, 9), server)]
        self.assertEqual(minors, [35, 36, 37])

    def test_the_controller_manager_is_never_newer_than_the_server(self) -> None:
        server = Version(1, 36, 3)
        minors = [minor for minor in range(30, 41) if fits_controller_manager(Version(1, minor, 0), server)]
        self.assertEqual(minors, [35, 36])

    def test_etcd_and_helm_by_their_major_versions(self) -> None:
        self.assertEqual([fits_etcd(Version(*v)) for v in ((3, 5, 21), (3, 6, 0), (3, 7, 3), (4, 0, 0))], [False, True, True, False])
        self.assertEqual([fits_helm(Version(*v)) for v in ((3, 19, 0), (4, 0, 0), (5, 0, 0))], [False, True, False])


class Folders(unittest.TestCase):
    def test_in_the_order_of_this_field_and_without_our_own(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            for version in ("1.9.0-linux-amd64", "1.36.2-linux-amd64", "1.35.0-linux-amd64"):
                (root / "data/kubebuilder-envtest/k8s" / version).mkdir(parents=True)
            own = root / "checkout/.local"
            own.mkdir(parents=True)
            (own / "state.json").touch()
            found = tools.prebuilt_folders(
                {"KUBEBUILDER_ASSETS": "/assets", "XDG_DATA_HOME": str(root / "data"), "PATH": f"{own / 'bin'}:/usr/bin", "HOME": "/nobody"}
            )
            self.assertEqual(
                [folder.name for folder in found], ["assets", "1.36.2-linux-amd64", "1.35.0-linux-amd64", "1.9.0-linux-amd64", "bin"]
            )


if __name__ == "__main__":
    unittest.main()
