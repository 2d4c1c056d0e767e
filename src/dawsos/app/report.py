"""Writes a run's report from its state and its evidence."""

from __future__ import annotations

from pathlib import Path

from dawsos.app.project import Tools
from dawsos.model.pipeline import Pipeline
from dawsos.model.run import Run
from dawsos.reporting.html import ReportContext, render_html
