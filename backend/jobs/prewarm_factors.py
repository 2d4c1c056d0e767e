"""`python -m jobs.prewarm_factors [--date D]`: Warm the valuation cache."""

from __future__ import annotations

import sys

from jobs.runner import main, one

if __name__ == "__main__":
    sys.exit(main(one("prewarm_factors"), "Warm the valuation cache."))
