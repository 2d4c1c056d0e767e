"""`python -m jobs.prewarm_factors [--date D]`: Warm the valuation cache."""

from __future__ import annotations

import sys

from jobs.runner import main, single_job

if __name__ == "__main__":
    sys.exit(main(single_job("prewarm_factors"), "Warm the valuation cache."))
