"""What everything else stands on: contexts, the clock, waiting, threads, and the bridge between sync and async."""
