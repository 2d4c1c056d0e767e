"""Every port: what is shipped and what the tests put in its place take the same calls, so that no fake drifts away."""

from __future__ import annotations

import inspect

import pytest

import fakes
from dawsos import ports
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.load_process import LoadProcess
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.prompter import TerminalPrompter
from dawsos.adapters.redactor import MaskedStream, Masker
from dawsos.adapters.services import SERVICES
from dawsos.platforms import contract
from dawsos.platforms.local.commands import LocalCommands
from dawsos.platforms.local.faults import LocalFaults
from dawsos.platforms.local.platform import LocalPlatform
from dawsos.platforms.local.telemetry import EnvoyTelemetry
from dawsos.platforms.local.traffic import EnvoyTraffic
from dawsos.platforms.replicas import HttpReplica
from dawsos.reporting.terminal import TerminalReporter
from dawsos.runs.recorder import Session
from executors.test_steps import ScriptedRunner
from support.memory_platform import MemoryFaults, MemoryPlatform, MemoryReplica, MemoryTelemetry, MemoryTraffic
from support.world import Silent

IMPLEMENTATIONS: dict[type, tuple[type, ...]] = {
    ports.Clock: (SystemClock, fakes.VirtualClock),
    ports.Recorder: (Session, fakes.MemoryRecorder),
    ports.Runner: (ProcessRunner, ScriptedRunner),
    ports.Service: tuple(type(service) for service in SERVICES.values()),
    contract.Platform: (LocalPlatform, MemoryPlatform),
    contract.Traffic: (EnvoyTraffic, MemoryTraffic, fakes.ScriptedTraffic),
    contract.Telemetry: (EnvoyTelemetry, MemoryTelemetry, fakes.ScriptedTraffic),
    contract.Replica: (HttpReplica, MemoryReplica),
    contract.ReleaseCommands: (LocalCommands,),
    contract.FaultInjector: (LocalFaults, MemoryFaults),
    ports.LoadGenerator: (LoadProcess,),
    ports.Reporter: (TerminalReporter, Silent),
    ports.Prompter: (TerminalPrompter, fakes.ScriptedPrompter),
    ports.Redactor: (Masker,),
    ports.CleanStream: (MaskedStream,),
}
PAIRS = [(port, made) for port, all_made in IMPLEMENTATIONS.items() for made in all_made]


def calls(of: type) -> dict[str, inspect.Signature]:
    return {name: inspect.signature(member) for name, member in inspect.getmembers(of, inspect.isfunction)}


@pytest.mark.parametrize(("port", "made"), PAIRS, ids=lambda value: value.__name__)
def test_an_implementation_takes_every_call_of_its_port(port: type, made: type) -> None:
    offered = calls(made)
    for name, wanted in calls(port).items():
        if name.startswith("_"):
            continue
        assert name in offered, f"{made.__name__} has no {name}"
        own = list(offered[name].parameters.values())
        for index, parameter in enumerate(wanted.parameters.values()):
            assert index < len(own), f"{made.__name__}.{name} takes no {parameter.name}"
            if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD and parameter.name != "self":
                assert own[index].name == parameter.name
            assert own[index].kind is parameter.kind
        left = own[len(wanted.parameters) :]
        assert all(parameter.default is not inspect.Parameter.empty for parameter in left)
        is_async = [inspect.iscoroutinefunction(getattr(which, name)) for which in (port, made)]
        assert is_async[0] == is_async[1], name
