"""Measuring in a process of its own: what one contestant leaves behind never slows the next.

    python -m benchmarks.processes benchmarks.loads spread '{"contestant": "floors.threads", …}'

The peers that cannot be installed beside the others have an environment of their own, which `make bench` makes.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.rounds import Figures

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venvs" / "peers" / "bin" / "python"
LIMIT = 300


def measure_apart(module: str, function: str, *, peers: bool = False, **arguments: object) -> Figures:
    """Call a function of a module in a new process, and return the figures that it returns.

    Args:
        module: Its module.
        function: Its name.
        peers: Whether it needs the environment of the peers.
        arguments: What it is called with; JSON must be able to carry them.
    """
    python = PEERS if peers else Path(sys.executable)
    done = subprocess.run(
        [python, "-W", "ignore", "-m", "benchmarks.processes", module, function, json.dumps(arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    if done.returncode:
        print(f"{module}.{function}({arguments}) failed:\n{done.stderr[-2000:]}", file=sys.stderr)
        return {}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure_load(load: str, contestant: str, **arguments: object) -> Figures:
    """Put a load of `benchmarks.loads` on a scheduler, in a new process and the environment that it needs."""
    peers = "apscheduler4" in contestant
    return measure_apart("benchmarks.loads", load, peers=peers, contestant=contestant, **arguments)


def main() -> None:
    """Do what the arguments say, and print the figures."""
    module, function, arguments = sys.argv[1:]
    print(json.dumps(getattr(importlib.import_module(module), function)(**json.loads(arguments))), flush=True)
    os._exit(0)  # whatever threads and loops a contestant has left


if __name__ == "__main__":
    main()
