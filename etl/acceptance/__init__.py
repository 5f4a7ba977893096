"""The goals that the owners signed: measured on what the run's steps left, and judged."""
