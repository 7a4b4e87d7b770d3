"""The whole suite for a `tasker.ports.Store`."""

from __future__ import annotations

from tasker.contract._claiming import Claiming, Takeovers, Tokens
from tasker.contract._controlling import Controlling, Polling
from tasker.contract._deciding import Releasing, Skipping
from tasker.contract._finishing import Finishing, GivingBack
from tasker.contract._instances import Beating, Draining, Leaving
from tasker.contract._purging import Purging
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
    Purging,
    Beating,
    Leaving,
    Draining,
    LeavingAlone,
    Racing,
    Working,
):
    """Everything that `tasker.ports.Store` promises, one test method each.

    Override `make_store`, and, if the rows can be reached behind the store's back, `make_newer`, `make_unreadable`,
    `delete_row`, `set_token` and `set_registered`.
    Tests run against the store's real clock and take a few seconds in all.
    """
