from __future__ import annotations

import re
import signal
from pathlib import Path

from tests._support.processes import MARGIN, Program

BLOCKING = Path(__file__).parent / "programs" / "blocking_the_loop.py"
BLOCKED = r"WARNING tasker: at (\S+) the event loop is blocked by 'blocking', which neither returns nor awaits:\n"
FREE = r"WARNING tasker: at \S+ the event loop turns again; it was blocked for about (\S+) s\n"


def test_a_blocked_loop_is_noticed_within_a_second_and_logged_once_with_what_blocks_it() -> None:
    with Program(BLOCKING) as program:
        for count in (1, 2):
            program.wait_for("ready", times=count).say("block")
            program.wait_for("the event loop turns again", times=count)
        program.signal(signal.SIGTERM)
        program.ends_with(0, within=1)

    began = [float(at) for at in re.findall(r"blocks at (\S+)", program.out)]
    noticed = [float(at) for at in re.findall(BLOCKED, program.err)]
    assert len(noticed) == 2
    assert all(0 < at - begin < 1 + MARGIN for at, begin in zip(noticed, began, strict=True))
    assert all(0.5 < float(seconds) < 1.5 + MARGIN for seconds in re.findall(FREE, program.err))
    assert program.err.count(", in compute\n    time.sleep(1.5)") == 2
    assert program.err.count("WARNING") == 4
