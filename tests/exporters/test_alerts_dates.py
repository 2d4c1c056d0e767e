"""The alerts on approvals that wait, on waivers and certificates that end, and on a page of metrics that gets old."""

from __future__ import annotations

from exporters.alert_files import rules, tiny


def test_approvals_are_watched_where_somebody_is_asked() -> None:
    assert "ApprovalWaiting" in rules()
    assert "ApprovalWaiting" not in rules(tiny("keyless"))


def test_the_age_of_audited_data_is_told_when_half_of_it_is_over_and_a_waiver_in_time() -> None:
    first, *dated = rules(waiver="100h")["WaiverExpires"].expr.splitlines()
    assert first == "ci_waiver_expires_timestamp_seconds - time() < 360000"
    assert dated == [
        'unless ci_waiver_expires_timestamp_seconds{stage="security",gate="vulnerabilities"} - time() > 302400'
    ]
    # A day before its end, both are told alike.
    assert "unless" not in rules(waiver="24h")["WaiverExpires"].expr


def test_certificates_are_missed_where_they_should_be_scraped() -> None:
    assert "cert" not in rules()["PipelineMetricsAbsent"].expr
    assert "probe_ssl_earliest_cert_expiry" in rules(certificates=True)["PipelineMetricsAbsent"].expr
