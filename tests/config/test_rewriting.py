"""A version 1 text is edited in whatever style it was written, and what cannot be edited safely is not edited."""

from __future__ import annotations

import pytest

from config.test_load import load
from config.test_upgrade import as_before
from dawsos.config.upgrade import upgrade_text
from dawsos.errors import BadInput

SHORT = """\
version: 1
name: tiny
slo: {error_rate: 1%, warm_p95: 1s, cold_p95: 2s}
service: {project: ., requirements: requirements.txt, command: python -m demo}
stages:
  - {id: lint, steps: [{run: "true"}], gates: [exit_status]}
rollout: {ladder: [{weight: 100, duration: 1s}], error_rate: 1%, p95: 2s}
"""


ROLLS_OUT = "  - {id: out, uses: rollout, environment: production, gates: [rollout]}\n"
LADDER = "ladder: [{weight: 100, duration: 1s}]"
STYLES = {
    "no settings": ("", "", []),
    "only named": ("rollout: {", ROLLS_OUT + "rollout: {", ["environments:\n  production: {}\n"]),
    "replicas": (
        "command: python -m demo", "replicas: 2, command: python -m demo",
        ["  staging: {replicas: 2}\n", "  production: {replicas: 2}\n"],
    ),
    "quoted brackets": (
        "command: python -m demo", 'command: x, env: {A: "{b}", C: d}, services: [redis]',
        ['  staging: {env: {A: "{b}", C: d}, services: [redis]}\n'],
    ),
    "apostrophes": ("command: python -m demo", "command: x, env: {A: don't, B: won't}", ["  staging: {env: {A: don't, B: won't}}\n"]),
    "block of objectives": (
        "slo: {error_rate: 1%, warm_p95: 1s, cold_p95: 2s}",
        "slo:\n  error_rate: 1%\n  warm_p95: '1s'  # warm\n  cold_p95: 2s",
        ["  warm_p95: 2s  # warm\n"],
    ),
    "numbers": (
        LADDER + ", error_rate: 1%, p95: 2s", f"error_rate: 0.01, p95: 2, {LADDER}",
        [f"rollout: {{{LADDER}}}\n", "warm_p95: 2,"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STYLES)
def test_every_style_is_edited_in_place(name: str) -> None:
    old, new, expected = STYLES[name]
    assert old in SHORT
    text = SHORT.replace(old, new, 1)
    now, _ = upgrade_text(text, "pipeline.yaml")
    assert all(part in now for part in expected), now
    assert load(now) == as_before(text)


@pytest.mark.parametrize(
    "text",
    [
        SHORT.replace("service: {", "service: &shared {replicas: 2, "),
        "base: &base {replicas: 2}\n" + SHORT.replace("service: {", "service: {<<: *base, "),
    ],
    ids=["anchor", "merge"],
)
def test_what_cannot_be_edited_safely_is_left_to_a_person(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        upgrade_text(text, "pipeline.yaml")
    *_, replicas, _, _, last = refused.value.message.splitlines()
    assert "service.replicas moves to environments.staging.replicas" in replicas
    assert last == "pipeline.yaml:1: the file has a form that cannot be rewritten"
    assert "by hand" in str(refused.value.fix)
