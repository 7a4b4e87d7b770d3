"""What tasker costs, beside its peers and beside the floor: the bare Python or SQL that does the same and nothing else.

`make bench` measures everything and writes `docs/performance.md`; `python -m benchmarks herd` measures and prints one
subject. Figures mean something only beside the others of their run, so contestants take turns within each round, and
what is compared is the ratio within a round.

- A subject is a module of `benchmarks.subjects`: what is measured, against what, and the goal.
- A contestant is a program of `benchmarks.contestants` that does the work in one way, in a process of its own.
"""
