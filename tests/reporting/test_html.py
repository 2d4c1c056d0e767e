"""The report: one page, complete in itself, that shows what the run says and runs nothing that it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.model.events import GateEvaluated
from dawsos.model.fold import fold
from dawsos.reporting.html import ReportContext, render_html
from reporting.sample_runs import STAGES, START, Script, failed, passed, rolled_back, running, up_to_canary, waiting

RUNS: dict[str, Callable[[], Script]] = {
    made.__name__: made for made in (passed, rolled_back, failed, waiting, running)
}
VOID = {"meta", "br", "hr", "img", "input", "link", "wbr", "col"}
LOADS = {"src", "data", "poster", "srcset", "xlink:href", "action", "formaction", "background"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and whether every element that was opened was closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.broken: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.broken.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def render(script: Script, **changes: Any) -> str:
    context: dict[str, Any] = {
        "pipeline": "dawsos",
        "generated_at": START + 400,
        "stages": STAGES,
        "logs": {"unit": "a log"},
    } | changes
    return render_html(fold(script.events), ReportContext(**context))


@pytest.mark.parametrize("name", RUNS)
def test_a_page_loads_nothing_and_runs_nothing(name: str) -> None:
    text = render(RUNS[name](), urls={"production": "http://127.0.0.1:1"})
    page = Page(text)
    assert not {"script", "iframe", "object", "embed", "link", "base", "form"} & set(page.tags)
    for tag, attribute, value in page.attributes:
        assert attribute not in LOADS or value.startswith("data:"), (tag, attribute, value)
        assert not attribute.startswith("on"), (tag, attribute)
        assert not value.lower().startswith("javascript:"), (tag, attribute)
    assert not re.search(r"@import|url\((?!['\"]?(data:|#))", text)
    policies = [
        value for tag, name, value in page.attributes if tag == "meta" and name == "content" and "default-src" in value
    ]
    assert len(policies) == 1
    assert "default-src 'none'" in policies[0]


@pytest.mark.parametrize("name", RUNS)
def test_a_page_is_well_formed_and_shows_every_stage_and_gate(name: str) -> None:
    script = RUNS[name]()
    page = Page(render(script))
    assert (page.broken, page.open) == ([], [])
    words = " ".join(page.words)
    for _, title, _ in STAGES:
        assert title in words
    for event in script.events:
        if isinstance(event.fact, GateEvaluated):
            verdict = event.fact.verdict
            assert verdict.gate in words
            assert verdict.measured in words
            assert verdict.limit in words


def test_the_canary_has_its_curves() -> None:
    assert Page(render(rolled_back())).tags.count("svg") > Page(render(failed())).tags.count("svg")


def test_the_same_run_is_the_same_page() -> None:
    assert render(passed()) == render(passed())


EVIL = "</style></pre><script>alert(1)</script><img src=x onerror=alert(1)>'\"&{{7*7}}"


def poisoned(evil: str) -> str:
    script = Script()
    script.begin()
    script.start_stage("lint")
    script.gate(5, "lint", ("exit_status", evil, evil), result="fail", message=evil, findings=[evil], evidence=[evil])
    script.end_stage("lint", "failed", evil)
    script.add(20, "approval_given", "uat", digest="d", decision="rejected", name=evil, reason=evil, how="command")
    script.add(21, "run_finished", result="failed", exit_code=1, reason=evil)
    logs = {"lint": evil}
    return render(
        script, pipeline=evil, subject=evil, author=evil, logs=logs, urls={"production": "javascript:alert(1)"}
    )


def test_nothing_that_a_tool_or_a_person_said_becomes_markup() -> None:
    page = Page(poisoned(EVIL))
    assert not {"script", "img"} & set(page.tags)
    assert (page.broken, page.open) == ([], [])
    assert EVIL in "".join(page.words)
    assert "49" not in re.findall(r"\{\{?(\d+)", "".join(page.words))
    assert not [value for _, _, value in page.attributes if value.startswith("javascript:")]


@settings(max_examples=5, deadline=None)
@given(st.text(alphabet="<>&'\"/abscript= \x00\x1b\ud7ff", max_size=30))
def test_whatever_is_said_the_page_keeps_its_shape(evil: str) -> None:
    expected = Page(poisoned("x"))
    page = Page(poisoned("x" + evil))
    assert page.tags == expected.tags
    assert (page.broken, page.open) == ([], [])


def test_the_comparison_before_traffic_is_a_diff_with_its_verdicts() -> None:
    script = Script()
    up_to_canary(script)
    script.rollout()
    evil = "<script>alert(1)</script>"
    differences = [
        {
            "kind": "missing",
            "where": "items[].price",
            "stable": "there",
            "canary": "missing",
            "count": 6,
            "of": 6,
            "fails": True,
        },
        {"kind": "value", "where": evil, "stable": evil, "canary": evil, "count": 6, "of": 6, "allowed": evil},
    ]
    page = {
        "method": "GET", "path": "/v1/items", "verdict": "fail", "reason": "items[].price is missing", "differences": differences,
        "stable": {"answers": 12, "status": "200", "bytes": 1200, "seconds": 0.01}, "noise": ["at"], "omitted": 3,
    }  # fmt: skip
    script.add(
        161, "answers_compared", "canary", verdict="fail", reason="GET /v1/items: items[].price is missing", requests=18,
        seconds=1.0, pages=[page],
    )  # fmt: skip
    text = render(script)
    assert "Answers compared before any traffic" in text
    assert "<code>items[].price</code></td><td><del>there</del></td><td><ins>missing</ins>" in text
    assert "3 more differences are not listed" in text
    page_of_it = Page(text)
    assert (page_of_it.broken, page_of_it.open) == ([], [])
    assert evil not in text
