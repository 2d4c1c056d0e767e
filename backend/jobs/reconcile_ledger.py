"""`python -m jobs.reconcile_ledger [--date D]`: Compare every holding with its transactions."""

from __future__ import annotations

import sys

from jobs.runner import main, single_job

if __name__ == "__main__":
    sys.exit(main(single_job("reconcile_ledger"), "Compare every holding with its transactions."))
