"""Benchmarks: `python -m tests.bench [NAME...]`, or `make bench` for all of them."""
