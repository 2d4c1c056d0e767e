"""The summary of a step on GitHub Actions: the short form of a report in Markdown.

Texts of evidence (names of tests, messages of tools, reasons that people type) are shown as they are: none of them is Markdown, HTML,
or a link to a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dawsos.model.events import Event
from dawsos.model.findings import Finding
from dawsos.model.fold import fold
from dawsos.model.run import Run, StageRecord
from dawsos.model.verdicts import GateVerdict
from dawsos.reporting import summary as story
from dawsos.reporting.formatting import clean, look, one_line, short, span, words

# Of these the report has all; a summary may have a megabyte.
_GATES, _FINDINGS, _REMARKS, _LONGEST = 150, 50, 50, 300
# In bytes; GitHub takes 1 MiB for a step.
_LARGEST = 1_000_000


def escaped(value: object) -> str:
    """Return ``value`` as one line that Markdown and HTML show as it is: every sign is written as its number."""
    text = one_line(value)
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
    return "".join(c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in text)


def _code(value: object) -> str:
    """Return ``value`` as code: there, the name of a person or an issue is no link either."""
    shown = escaped(value)
    return f"<code>{shown}</code>" if shown else ""


def step_summary(run: Run, titles: Sequence[tuple[str, str, float]], report: str) -> str:
    """Return the short form of the report in Markdown; empty for a run that never began.

    ``titles`` are (id, title, budget in seconds) of the pipeline's stages, ``report`` says where the whole report lies.
    """
    if not run.id:
        return ""
    state = run.state or "running"
    commit = f" {short(run.commit, 8)}" if run.commit else ""
    parts = [
        f"## {look(state).symbol} {escaped(f'dawsos {run.command}{commit}: {words(state)}')}",
        escaped(story.headline(run)),
    ]
    parts += ["\n".join(_stages(run, {key: title for key, title, _ in titles}))] if run.stages else []
    parts += ["\n".join(_gates(run))] if any(stage.gates for stage in run.stages.values()) else []
    red = [gate for stage in run.stages.values() for gate in stage.gates if not gate.passed]
    why = [f"{_code(gate.gate)}: {_code(gate.message)}" for gate in red if gate.message]
    parts += [_list("Why it is red", why[:_FINDINGS], len(why) - _FINDINGS)]
    places = [place for gate in red for place in gate.places]
    parts += [_list("Findings", [_finding(place) for place in places[:_FINDINGS]], len(places) - _FINDINGS)]
    remarks = story.not_checked(run) if run.result else ()
    listed = [f"{_code(remark.where)}: {_code(remark.what)}" for remark in remarks[:_REMARKS]]
    parts += [_list("What was not checked", listed, len(remarks) - _REMARKS)]
    return "\n\n".join(_fitting([part for part in parts if part], "\n".join(_end(run, report)))) + "\n\n"


def _fitting(parts: Sequence[str], end: str) -> Iterator[str]:
    """Yield ``parts`` and ``end``, without the parts that have no room: GitHub shows nothing of a summary that is too long."""
    left, out = _LARGEST - len(end.encode()), 0
    for part in parts:
        size = len(part.encode()) + 2
        if size > left:
            out += 1
            continue
        left -= size
        yield part
    if out:
        yield "Not all has room in a summary: the report has it."
    yield end


def _stages(run: Run, titles: dict[str, str]) -> Iterator[str]:
    yield "| Stage | Result | Took |\n| --- | --- | --- |"
    for stage in run.stages.values():
        named = (
            f"{_code(stage.id)} {escaped(titles.get(stage.id, '')) if titles.get(stage.id) != stage.id else ''}".strip()
        )
        yield f"| {named} | {look(stage.state).symbol} {escaped(words(stage.state))}{_source(stage)} | {_took(stage)} |"


def _source(stage: StageRecord) -> str:
    return f" from run {_code(stage.from_run)}" if stage.from_run else ""


def _took(stage: StageRecord) -> str:
    return escaped(span(stage.seconds)) if stage.seconds else ""


def _gates(run: Run) -> Iterator[str]:
    pairs = [(stage.id, gate) for stage in run.stages.values() for gate in stage.gates]
    # What is red is shown, however many there are.
    pairs.sort(key=lambda pair: pair[1].passed)
    yield "| Gate | Measured | Limit |\n| --- | --- | --- |"
    yield from (_gate(stage, gate) for stage, gate in pairs[:_GATES])
    if len(pairs) > _GATES:
        yield f"| and {len(pairs) - _GATES} more | | |"


def _gate(stage: str, gate: GateVerdict) -> str:
    verdict = f"{look(gate.result).symbol} {_code(f'{stage}: {gate.gate}')}"
    return f"| {verdict} | {_code(gate.measured or words(gate.result))} | {_code(gate.limit)} |"


def _finding(place: Finding) -> str:
    return f"{_code(place.place)} {_code(f'{place.tool} {place.rule}'.strip())} {escaped(place.message)}"


def _list(title: str, lines: Sequence[str], more: int = 0) -> str:
    if not lines:
        return ""
    rest = [f"- and {more} more"] if more > 0 else []
    return "\n".join([f"### {title}", "", *(f"- {line}" for line in lines), *rest])


def _end(run: Run, report: str) -> Iterator[str]:
    rollout = run.rollout
    if rollout is not None and rollout.outcome in ("rolled_back", "withdrawn"):
        rule = story.fired_rule(rollout)
        yield f"- rule: {_code(rule.name)} {_code(rule.measured)} {_code(rule.limit)}".rstrip()
        yield f"- rollback: {escaped(story.rollback_text(rollout))}"
    yield f"- report: {_code(report)}"
    for command in story.next_commands(run):
        yield f"- next: {_code(command)}"


class StepSummary:
    """Implements ``ports.Reporter``: appends the summary of a run to the file that the CI service shows.

    ``report`` maps a run's id to where its report lies.
    """

    def __init__(self, path: Path, titles: Sequence[tuple[str, str, float]], report: Callable[[str], str]) -> None:
        self._path, self._titles, self._report = path, titles, report
        self._run, self._written = Run(), 0

    def notice(self, event: Event) -> None:
        """Take in one event."""
        self._run = fold([event], self._run)

    def suspend(self) -> None:
        """Hold nothing: it shows nothing before the end."""

    def close(self) -> None:
        """Append the summary, once for each end of the run; raises OSError."""
        text = step_summary(self._run, self._titles, self._report(self._run.id))
        if not text or self._written == self._run.last_seq:
            return
        self._written = self._run.last_seq
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(clean(text))
