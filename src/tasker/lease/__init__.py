"""Leases, written once on the ports: their renewal, and the lockers."""
