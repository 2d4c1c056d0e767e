"""`python -m jobs.mark_pack_fresh [--date D]`: Open the pack of one date to readers."""

from __future__ import annotations

import sys

from jobs.runner import main, single_job

if __name__ == "__main__":
    sys.exit(main(single_job("mark_pack_fresh"), "Open the pack of one date to readers."))
