"""What an environment has beside its releases: embedded services, stand-ins, and the ways to them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.kubernetes import Object
from dawsos.adapters.redactor import Masker
from dawsos.errors import InfrastructureError
from dawsos.model.environment import EnvironmentSettings
from dawsos.platforms.contract import EnvironmentSpec, StandInSource
from dawsos.platforms.kubernetes import inside
from dawsos.platforms.kubernetes.deployments import Bed
from dawsos.platforms.kubernetes.names import COMPONENT, DEPLOYMENT, INSTANCE, STAND_INS
from dawsos.platforms.kubernetes.state import Seen
from fakes import VirtualClock
from support.workloads import NOW, SERVICE, TARGET, PaperCluster, pod, serving

OUTSIDE = StandInSource("outside", "python -m standins", Path(), Path(), Path(), ("STANDIN_PORT",))


def _spec(*stand_ins: StandInSource, **settings: Any) -> EnvironmentSpec:
    return EnvironmentSpec(SERVICE, EnvironmentSettings(**settings), {}, stand_ins)


def _named(name: str, component: str, port: int, **labels: str) -> Object:
    return {
        "metadata": {"name": name, "labels": {INSTANCE: TARGET.release, COMPONENT: component, **labels}},
        "spec": {"replicas": 1, "ports": [{"name": "standin-port", "port": port}]},
    }


class Ways:
    async def open(self, service: str, port: int) -> int:
        return port + 40000


@pytest.mark.parametrize("name", ["main", "none", "UPPER", "a_b", "-a", "a" * 41, ""])
def test_a_name_that_is_none_in_kubernetes_is_refused(name: str) -> None:
    with pytest.raises(InfrastructureError):
        inside.must_be_a_name(name)


def test_the_ids_of_the_contract_are_names() -> None:
    for name in ("1a2b3c4d-5e6f70-1a", "1a2b3c4d-5e6f70-1a-drill", "stable"):
        inside.must_be_a_name(name)


def test_values_name_the_secret_the_embedded_services_and_the_stand_ins() -> None:
    settings = EnvironmentSettings(services=("redis",), stand_ins=("outside",))
    assert inside.fixed_values(TARGET, settings, None) == {
        "secret": TARGET.secret, "embedded": {"postgres": False, "redis": True}, "standIns": {"outside": True},
    }  # fmt: skip


def test_a_chart_stands_when_it_has_what_the_environment_wants() -> None:
    assert not inside.stands(Seen(), _spec())
    seen = serving()
    assert inside.stands(seen, _spec())
    assert not inside.stands(seen, _spec(services=("postgres",)))
    seen.sets.append(_named("shop-postgres", "postgres", 5432))
    assert inside.stands(seen, _spec(services=("postgres",)))
    assert not inside.stands(seen, _spec(OUTSIDE))
    seen.services.append(_named("shop-stand-ins", STAND_INS, 9000, **{"dawsos.dev/stand-in": "outside"}))
    assert inside.stands(seen, _spec(OUTSIDE))


def _bed(ready: bool, state: Any = None) -> Bed:
    clock, seen = VirtualClock(NOW), serving()
    seen.sets.append(_named("shop-postgres", "postgres", 5432))
    made = pod("shop-postgres-0", "", state, ready=ready, component="postgres", restarts=2)
    del made["metadata"]["labels"][DEPLOYMENT]
    seen.pods.append(made)
    return Bed(PaperCluster(clock, seen), TARGET, None, clock, Masker(), {}, Path())  # type: ignore[arg-type]


def test_embedded_services_are_waited_for_and_their_failure_is_told() -> None:
    asyncio.run(inside.wait_for_services(_bed(True)))
    with pytest.raises(InfrastructureError, match="shop-postgres is not ready: shop-postgres-0 crashes"):
        asyncio.run(inside.wait_for_services(_bed(False, {"waiting": {"reason": "CrashLoopBackOff"}})))


def test_steps_get_the_variables_of_the_pods_with_addresses_of_tunnels() -> None:
    async def scene() -> None:
        seen, spec = serving(), _spec(OUTSIDE)
        container = seen.deployments[0]["spec"]["template"]["spec"]["containers"][0]
        container["env"] += [{"name": "DATABASE_URL", "value": "postgresql://u:$(P)@shop-postgres:5432/d"}]
        seen.services.append(_named("shop-postgres", "postgres", 5432))
        seen.services.append(_named("shop-stand-ins", STAND_INS, 9000))
        found = await inside.variables(spec, {"P": "1", "JWT": "2"}, {"A": "b"}, seen, Ways())
        assert found == {
            "P": "1", "JWT": "2", "A": "b", "STANDIN_PORT": "49000",
            "DATABASE_URL": "postgresql://u:1@127.0.0.1:45432/d",
        }  # fmt: skip

    asyncio.run(scene())


def test_before_a_release_there_are_the_secret_and_the_settings() -> None:
    found = asyncio.run(inside.variables(_spec(), {"JWT": "2"}, {"A": "b"}, Seen(), Ways()))
    assert found == {"JWT": "2", "A": "b"}


def test_kubectl_gets_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYGON_KEY", "s")
    assert "POLYGON_KEY" not in inside.given_to_kubectl(EnvironmentSettings(pass_env=("POLYGON_KEY",)))
    assert "POLYGON_KEY" in inside.given_to_kubectl(EnvironmentSettings())


def test_a_command_of_a_step_finds_the_kubeconfig_of_the_user() -> None:
    environ = {"HOME": "/home/ada", "KUBECONFIG": "/home/ada/one:/two", "TOKEN": "x"}
    assert inside.of_the_user(environ) == ("/usr/bin/env", "HOME=/home/ada", "KUBECONFIG=/home/ada/one:/two")
    assert inside.of_the_user({"PATH": "/bin", "KUBECONFIG": ""}) == ("/usr/bin/env",)
