"""The memory of a process during its work."""

import subprocess
import sys

# Every array's neighbour on the heap stays; the first array, freed, raises the default limit above the size of the others.
_FREED = """
import gc, os, numpy as np
from etl.system.memory import limit_free_memory
limit_free_memory()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE") >> 20
del (first := [np.ones(16 << 20, np.uint8)])[:]
before = resident()
arrays, between = [], []
for _ in range(40):
    arrays.append(np.ones(4 << 20, np.uint8))
    between.append(np.ones(5000, np.uint8))
held = resident() - before
arrays.clear()
print(held, resident() - before)
"""


def test_freed_arrays_go_back_to_the_system_at_once() -> None:
    held, left = map(int, subprocess.run([sys.executable, "-c", _FREED], check=True, capture_output=True, text=True).stdout.split())
    assert held > 150  # all forty arrays
    assert left < 20
