"""What tests of programs that use tasker need: time that passes when it is told to, or when nothing else happens."""

from tasker.testing._virtual_clock import VirtualClock

__all__ = ["VirtualClock"]
