"""The whole suite for a `tasker.ports.Store`."""

from __future__ import annotations

from tasker.contract._claiming import Claiming, Takeovers, Tokens
from tasker.contract._controlling import Controlling, Polling
from tasker.contract._deciding import Releasing, Skipping
from tasker.contract._finishing import Finishing, GivingBack
from tasker.contract._racing import Racing, Working
from tasker.contract._reading import LeavingAlone, Reading, Trimming
from tasker.contract._registering import Registering
from tasker.contract._renewing import Renewing


class StoreContract(
    Registering,
    Claiming,
    Tokens,
    Takeovers,
    Renewing,
    Finishing,
    GivingBack,
    Skipping,
    Releasing,
    Controlling,
    Polling,
    Reading,
    Trimming,
    LeavingAlone,
    Racing,
    Working,
):
    """Everything that `tasker.ports.Store` promises, one test method each.

    Override `make_store`, and `make_newer`, `make_unreadable` and `delete_row` if the rows can be reached.
    Tests run against the store's real clock and take a few seconds in all.
    """
