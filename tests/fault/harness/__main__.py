"""Puts a cluster under random faults for as long as asked, and says what came of it; `make faults-long` calls it."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from itertools import takewhile
from pathlib import Path

from tests.fault.harness.arena import Arena
from tests.fault.harness.backends import BACKENDS, open_backend
from tests.fault.harness.checker import told, violations
from tests.fault.harness.plan import endless, kinds_for


def torment(name: str, seconds: float, seed: int) -> bool:
    """Run one backend, print what happened, and tell whether all promises were kept."""
    folder = Path(tempfile.mkdtemp(prefix=f"tasker-faults-{name}-"))
    print(f"{name}: {seconds:g} s, SEED={seed}, log {folder}/log.jsonl", flush=True)
    with Arena(open_backend(name, folder), folder) as arena:
        end = time.monotonic() + seconds
        steps = endless(kinds_for(name, list(arena.backend.injuries)), seed, arena.lease)
        for step in takewhile(lambda _: time.monotonic() < end, steps):
            print("   ", "; ".join(map(str, step.faults)), flush=True)
            arena.suffer(step)
        arena.end()
    found = violations(arena.lines)
    print(f"{name}: SEED={seed}, {arena.told()}; {len(found)} violations")
    print(told(found), flush=True)
    if not found:
        shutil.rmtree(folder)
    return not found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--backend", choices=[*BACKENDS, "all"], default="all")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    given = parser.parse_args()
    names = BACKENDS if given.backend == "all" else [given.backend]
    results = Counter(torment(name, given.seconds, given.seed) for name in names)
    return 1 if results[False] else 0


if __name__ == "__main__":
    sys.exit(main())
