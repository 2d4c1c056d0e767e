"""A cluster of the tests' own (deploy/cluster), up while a test session lasts."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import cluster as existing
from support.cluster import Cluster

# Names a folder with the programs (bin/NAME.xz), so that none is built; empty for none.
PROGRAMS = "DAWSOS_KUBERNETES"
# Set by the checks that are about a cluster: there, none is a failure and no reason to skip.
WANTED = "DAWSOS_TEST_WANTS_CLUSTER"
ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy" / "cluster" / "cluster"
_HOME = ROOT / ".dawsos" / "tool" / "cluster"


def reason_against() -> str | None:
    """Return why no cluster is brought up here, None when one is."""
    if not os.environ.get(PROGRAMS) and not (_HOME / "bin" / "hyper").exists():
        return f"{PROGRAMS} names no folder with the programs, and deploy/cluster/cluster has not built them (docs/testing.md)"
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a cluster of the tests' own needs Linux and root"
    return None


@contextmanager
def own_cluster() -> Iterator[Cluster]:
    """Bring a cluster up, yield it and take it down; variables and PATH of this process are its own meanwhile.

    Also when this process is killed: the keeper sees its standard input close.
    """
    (_HOME / "runs").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_HOME / "runs", prefix="test-") as run, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTER_HOME", str(_HOME))
        patch.setenv("CLUSTER_RUN", run)
        patch.setenv("CLUSTER_PYTHON", sys.executable)
        patch.setenv("PATH", f"{_HOME / 'bin'}:{os.environ['PATH']}")
        patch.setenv("KUBECONFIG", f"{run}/admin.kubeconfig")
        keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(ROOT / "tests" / "support" / "cluster_keeper.py"), str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        try:
            told = keeper.stdout.readline().strip()
            assert told == "up", told or "the cluster's keeper ended"
            described = subprocess.run([str(SCRIPT), "describe"], check=True, capture_output=True, text=True)
            file = Path(run) / "described.yaml"
            file.write_text(described.stdout)
            # Whoever asks for the cluster by its file finds this one.
            patch.setenv(existing.VARIABLE, str(file))
            patch.setenv("DAWSOS_CLUSTER_IMPORT", f"CLUSTER_RUN={run} {SCRIPT} in ctr -n k8s.io images import -")
            yield existing.cluster()
        finally:
            keeper.stdin.close()
            keeper.stdout.close()
            code = keeper.wait(60)
        assert code == 0, "the cluster left something behind; what it is stands above"
