"""How many worlds a law is tried on: always the same few, or with HYPOTHESIS_PROFILE=nightly new ones, shrunk where they fail."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
# The same worlds every time, and not shrunk: a migration takes half a second, and a failing world is small anyhow.
_EVERY_CHANGE = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=(Phase.explicit, Phase.generate),
)
_NEW_WORLDS = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)  # random, remembered in .hypothesis, shrunk
_TIMES = 20


def law(examples: int) -> settings:
    """Returns the settings of a property that runs on `examples` worlds, and on twenty times as many under HYPOTHESIS_PROFILE=nightly."""
    return settings(_NEW_WORLDS, max_examples=examples * _TIMES) if NIGHTLY else settings(_EVERY_CHANGE, max_examples=examples)
