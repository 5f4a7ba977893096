"""Faults, injected into the real command from outside. The harness knows the command line and the exit codes, not the code.

python -m tests.faults --kills -n 2   the kills that every change has to pass: minutes
python -m tests.faults --quick        the quick subset
python -m tests.faults                the full matrix, and the table of issue 4 with the numbers that were measured
"""
