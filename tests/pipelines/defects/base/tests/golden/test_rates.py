from app.core.fx import cross


def test_rates(golden):
    golden("rates", {"EURUSD": cross(1.0, 1.0619), "USDCAD": round(cross(1.0619, 1.4712), 6)})
