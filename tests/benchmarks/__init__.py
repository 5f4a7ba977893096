"""Benchmarks that anyone can start; never part of the tests."""
