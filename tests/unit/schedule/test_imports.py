from __future__ import annotations

import subprocess
import sys

PROGRAM = "import asyncio, sys; before = set(sys.modules); import tasker.schedule; print(*set(sys.modules) - before)"


def test_importing_the_schedules_loads_nothing_that_few_programs_need() -> None:
    loaded = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True).stdout.split()
    assert "tasker.schedule._cron" in loaded
    assert {"zoneinfo", "difflib", "tasker.schedule._machine_zone"}.isdisjoint(loaded)
