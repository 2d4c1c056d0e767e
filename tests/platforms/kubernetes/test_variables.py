"""The variables of an environment, as its pods have them and as steps on this machine get them."""

from __future__ import annotations

from dawsos.platforms.kubernetes.variables import (
    expanded,
    filled,
    port_name,
    rewritten,
    stand_in_ports,
    variables_of,
)


def test_an_address_behind_a_tunnel_is_that_of_the_tunnel() -> None:
    ways = {("shop-postgres", 5432): 40001}
    assert rewritten("postgresql://app@shop-postgres:5432/d?x=1", ways) == "postgresql://app@127.0.0.1:40001/d?x=1"
    assert rewritten("redis://:p@elsewhere:6379/0", ways) == "redis://:p@elsewhere:6379/0"
    assert rewritten("no url", ways) == "no url"
    assert rewritten("http://[half", ways) == "http://[half"


def test_a_value_is_expanded_as_kubernetes_does_it() -> None:
    assert expanded("a$(B)c$$(B)$(X)", {"B": "1"}) == "a1c$(B)$(X)"


def test_ports_of_stand_ins_are_found_by_the_names_that_the_chart_gives() -> None:
    services = [
        {
            "metadata": {"name": "shop-stand-ins"},
            "spec": {"ports": [{"name": "standin-port", "port": 9000}, {"name": "x", "port": 1}]},
        }
    ]
    assert port_name("A_VERY_LONG_NAME_PORT") == "a-very-long-nam"
    assert stand_in_ports(services, {port_name("STANDIN_PORT"): "STANDIN_PORT"}) == {
        "STANDIN_PORT": ("shop-stand-ins", 9000)
    }


def test_a_variable_is_filled_whole_or_left_out() -> None:
    env = {"A": "http://x:{MAIL_PORT}", "B": "{MAIL_PORT}{WORKER_PORT}", "C": "{other}"}
    assert filled(env, {"MAIL_PORT": 25}) == {"A": "http://x:25", "C": "{other}"}


def test_the_variables_of_a_pod_with_those_of_its_secret() -> None:
    env = [
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "P"}}},
        {"name": "URL", "value": "db://u:$(PASSWORD)@h"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ]
    found = variables_of({"spec": {"containers": [{"env": env}]}}, {"P": "1", "JWT": "2"})
    assert found == {"P": "1", "JWT": "2", "PASSWORD": "1", "URL": "db://u:1@h"}
