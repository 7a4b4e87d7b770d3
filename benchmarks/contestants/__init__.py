"""The programs that do the same work in different ways; each makes a `benchmarks.loads.Contestant`."""
