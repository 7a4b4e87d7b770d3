"""What is measured: each module has `measure(effort)`, which returns a report."""
