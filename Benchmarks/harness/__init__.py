"""The benchmark of tally, in parts: see `Benchmarks/bench --help` and docs/performance.md."""
