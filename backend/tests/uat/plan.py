"""The acceptance plan: 47 cases, what each does and what must be seen. Tests name them by `@pytest.mark.uat(id)`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One case of the plan. `smoke`: in the short list that is run after every deployment."""

    priority: str
    smoke: bool
    done: str
    seen: str


PLAN: dict[str, Case] = {
    "001": Case(
        "p0",
        True,
        "POST /v1/portfolios {name, base_currency}",
        "portfolio_id (UUID); journal ledger/portfolios/{id}.bean exists",
    ),
    "002": Case("p0", True, "read user A's portfolio as user B", "403, 404 or empty"),
    "003": Case("p0", True, "buy 100 AAPL @ 150 USD", "transaction 'buy', open lot 100 @ 150.00, ledger_tx_id set"),
    "004": Case("p0", False, "sell 40 (FIFO)", "lot open quantity 60, realised P&L right"),
    "005": Case("p0", False, "buy 50 BMW.DE @ 90 EUR", "trade FX recorded, cost basis converted to USD"),
    "006": Case(
        "p0", True, "build today's pricing pack", "pack not fresh at first; prices for the whole universe; all FX pairs"
    ),
    "007": Case("p0", False, "UPDATE a pack row", "the database refuses"),
    "008": Case("p0", False, "pack B supersedes pack A for one date", "latest for that date is B; A stays readable"),
    "009": Case(
        "p0", False, "value 100 AAPL (USD) + 50 BMW.DE (EUR) + 200 HSBC.L (GBP)", "total = sum(qty x price x fx) in USD"
    ),
    "010": Case("p0", False, "same pack id asked twice, later", "byte-for-byte the same valuation"),
    "011": Case("p0", False, "cash dividend 0.25 per share", "transaction 'dividend', cash up by qty x amount"),
    "012": Case(
        "p0", False, "ADR dividend gross 1.00, withheld 0.10, net 0.90 USD", "pay-date FX used; ledger shows all three"
    ),
    "013": Case("p0", False, "2:1 split of 100 @ 500", "200 @ 250, total cost unchanged"),
    "014": Case("p0", False, "new portfolio", "Beancount journal with opening balance"),
    "015": Case("p0", True, "nightly reconciliation", "status OK within 1 bp, ledger commit hash recorded"),
    "016": Case("p0", False, "tamper with the journal, reconcile", "FAIL with details"),
    "017": Case("p0", False, "TWR 100k -> 110k, no flows", "10.00 %"),
    "018": Case("p0", False, "TWR with +50k mid-year flow (value just before it 100k), end 165k", "10 %"),
    "019": Case(
        "p0",
        False,
        "Brinson-Fachler on 60/40 against S&P 500 / bonds",
        "effects sum to the active return exactly; equals the golden",
    ),
    "020": Case("p1", True, "value drops > 5 %, alerts evaluated", "delivered by webhook and e-mail, median <= 60 s"),
    "021": Case("p1", False, "same condition twice in 15 minutes", "one alert (cooldown)"),
    "022": Case("p1", False, "same alert for two users", "no duplicate processing"),
    "023": Case("p1", False, "GET /v1/market/quote?symbol=AAPL", "price, volume, time within 500 ms"),
    "024": Case("p1", False, "provider times out", "breaker opens after 3 failures; cached data or a clear error"),
    "025": Case(
        "p1", False, "GET /v1/economic/indicators?series=GDP,CPIAUCSL,UNRATE", "all series with metadata and age"
    ),
    "026": Case("p1", False, "GET /v1/macro/regime?date=", "label and confidence as the rules say"),
    "027": Case("p1", False, "GET /v1/macro/factor-exposure?portfolio_id=", "growth, value, momentum, quality"),
    "028": Case("p1", False, "POST /v1/macro/scenarios/recession", "drawdown at risk with an interval"),
    "029": Case("p1", False, "GET /v1/quality/moat?symbols=KO,WMT,JNJ", "0-10 scores equal to the golden"),
    "030": Case("p1", False, "GET /v1/quality/dividend-safety?symbol=JNJ", "score with payout, coverage, streak"),
    "031": Case("p2", False, "export where rights forbid", "403 with the reason"),
    "032": Case("p2", False, "export where rights allow", "a PDF"),
    "033": Case("p0", True, "100 warm valuation requests", "p95 <= SLO_WARM_P95"),
    "034": Case("p0", False, "100 cold ones (cache cleared)", "p95 <= SLO_COLD_P95"),
    "035": Case("p0", False, "nightly run started at 00:00 (simulated clock)", "fresh by 00:15"),
    "036": Case(
        "p0",
        True,
        "nightly order",
        "build_pack, reconcile_ledger, compute_metrics, prewarm_factors, mark_pack_fresh, evaluate_alerts",
    ),
    "037": Case("p0", True, "no token", "401"),
    "038": Case("p0", False, "expired token", "401"),
    "039": Case("p0", True, "B asks for A's portfolio through the API", "403, 404 or empty"),
    "040": Case("p0", False, "transaction with an unknown portfolio", "foreign-key refusal"),
    "041": Case("p0", False, "UPDATE pricing_pack", "refused"),
    "042": Case("p1", False, "request with traceparent", "one trace: API -> DB -> jobs"),
    "043": Case("p1", True, "GET /metrics", "http_requests_total, pricing_pack_build_duration_seconds ..."),
    "044": Case("p1", False, "pack build killed", "last good pack served with X-Pricing-Pack-Stale: true"),
    "045": Case("p1", False, "provider fully down", "no 500; degraded mode shown"),
    "046": Case("p2", False, "migration 001 up on live data", "column there, nothing lost"),
    "047": Case("p2", False, "migration 001 down", "column gone, system works"),
}
