"""`python -m jobs.evaluate_alerts [--date D]`: Notify owners of falls in value."""

from __future__ import annotations

import sys

from jobs.runner import main, single_job

if __name__ == "__main__":
    sys.exit(main(single_job("evaluate_alerts"), "Notify owners of falls in value."))
