"""SARIF 2.1.0: the results of the runs of analysis tools."""

from __future__ import annotations

from dawsos.gates.documents import Malformed, Missing, get, get_text, mapping, optional_rows, rows
from dawsos.model.findings import Finding, Level
from dawsos.model.json import JsonObject

_LEVELS: dict[str, Level] = {"error": "error", "warning": "warning", "note": "note"}
# Kinds of results that say that something was looked at and is well.
_WELL = frozenset({"pass", "notApplicable", "informational"})


def read_sarif(name: str, document: JsonObject) -> list[Finding]:
    """Return the results that neither passed nor are suppressed.

    Raises Missing for a run without results and Malformed for one in which the tool failed.
    """
    version = document.get("version")
    if version != "2.1.0":
        raise Malformed(f"{name} is SARIF {version!r}; 2.1.0 is read")
    runs = rows(f"{name}: runs", document["runs"])
    if not runs:
        raise Missing(f"{name} has no run: no tool looked at anything")
    return [found for index, run in enumerate(runs) for found in _run(f"{name}: runs[{index}]", run)]


def _run(place: str, run: JsonObject) -> list[Finding]:
    driver = mapping(f"{place}: driver", get(place, get(place, run, "tool"), "driver"))
    tool = get_text(f"{place}: driver", driver, "name")
    for invocation in optional_rows(place, run, "invocations"):
        notices = optional_rows(place, invocation, "toolExecutionNotifications")
        if invocation.get("executionSuccessful") is False or any(row.get("level") == "error" for row in notices):
            raise Malformed(f"{place}: {tool} failed, by its own words")
    if run.get("results") is None:
        # The standard: null when the tool did not get as far as to look for any.
        raise Missing(f"{place}: {tool} has no results, not even an empty list")
    levels = {
        str(rule.get("id")): str(mapping(place, rule.get("defaultConfiguration") or {}).get("level") or "warning")
        for rule in optional_rows(place, driver, "rules")
    }
    results = rows(f"{place}: results", run["results"])
    return [_finding(place, tool, row, levels) for row in results if not _is_well(place, row)]


def _is_well(place: str, row: JsonObject) -> bool:
    suppressed = [s for s in optional_rows(place, row, "suppressions") if s.get("status", "accepted") == "accepted"]
    return row.get("kind") in _WELL or row.get("baselineState") == "absent" or bool(suppressed)


def _finding(place: str, tool: str, row: JsonObject, levels: dict[str, str]) -> Finding:
    rule = str(row.get("ruleId") or mapping(place, row.get("rule") or {}).get("id") or "")
    message = mapping(f"{place}: message", get(place, row, "message"))
    physical: JsonObject = {}
    for location in optional_rows(place, row, "locations")[:1]:
        physical = mapping(place, location.get("physicalLocation") or {})
    path = str(mapping(place, physical.get("artifactLocation") or {}).get("uri") or "no file").removeprefix("file://")
    region = mapping(place, physical.get("region") or {})
    line, column = (n if type(n := region.get(key)) is int and n > 0 else 0 for key in ("startLine", "startColumn"))
    level = _LEVELS.get(str(row.get("level") or levels.get(rule, "warning")), "error")
    text = str(message.get("text") or message.get("markdown") or message.get("id") or "no message")
    return Finding(tool, rule, text.partition("\n")[0], path, line, column, level)
