"""Worker processes import nothing from the current folder, and a cluster on other machines is reached by TLS only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from etl.errors import WrongUsage
from etl.extract.table_batch import SnapshotTicket
from etl.options import Options
from etl.system.worker_pool import refuse_password, secured

ROOT = Path(__file__).resolve().parents[3]
TRAPS = (
    "multiprocessing",
    "concurrent",
    "etl",
    "mappings",
    "checks",
    "polars",
    "pyarrow",
    "numpy",
    "signal",
    "threading",
    "pickle",
    "encodings",
)
SCRIPT = """
import sys
sys.path[:] = [{root!r}, *[place for place in sys.path if place]]
from pathlib import Path
import os
from etl.system.worker_pool import worker_processes
if __name__ == "__main__":
    with worker_processes(2, Path({lock!r})) as pool:
        print(len({{pool.submit(os.getpid).result() for _ in range(8)}}) >= 1)
"""


def test_workers_import_nothing_from_the_current_folder(tmp_path: Path) -> None:
    """Started by `python -c`, each of them ran what a folder of that name in the current one held, with the passwords of its environment."""
    folder, caught = tmp_path / "traps", tmp_path / "caught"
    for name in TRAPS:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"open({str(caught)!r}, 'a').write(__name__ + '\\n')\nraise SystemExit(99)\n")
    script = tmp_path / "main.py"
    script.write_text(SCRIPT.format(root=str(ROOT), lock=str(tmp_path / "lock")))
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONSAFEPATH", "PYTHONPATH")}
    done = subprocess.run([sys.executable, str(script)], cwd=folder, env=clean, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
    assert not caught.exists(), caught.read_text()


@pytest.mark.parametrize(
    "address",
    ["tcp://scheduler.example:8786", "scheduler.example:8786", "tcp://10.0.0.7:8786", "ws://127.0.0.1:8786", "tcp://127.0.0.1.example:1"],
)
def test_a_cluster_on_other_machines_is_reached_by_tls_alone(address: str) -> None:
    with pytest.raises(WrongUsage, match="tls://"):
        secured(address)


def test_tls_needs_certificates_and_this_machine_needs_none(tmp_path: Path) -> None:
    for address in ("tcp://127.0.0.1:8786", "localhost:8786", "tcp://[::1]:8786"):
        assert secured(address) is None
    with pytest.raises(WrongUsage, match="tls_ca_file, tls_client_cert, tls_client_key"):
        secured("tls://scheduler.example:8786")
    given = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(tmp_path / name) for name in ("CA_FILE", "CLIENT__CERT", "CLIENT__KEY")}
    script = "from etl.system.worker_pool import secured; print(secured('tls://scheduler.example:8786').require_encryption)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={**os.environ, **given}, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@pytest.mark.parametrize(
    "url", ["postgresql://reader:Hunter2@h/d", "postgresql://reader@h/d?password=Hunter2", "postgresql://h/d?sslpassword=Hunter2"]
)
def test_no_task_for_a_cluster_contains_a_password(url: str) -> None:
    with pytest.raises(WrongUsage, match="a URL must not contain a password") as raised:
        refuse_password("--source", url)
    assert "Hunter2" not in raised.value.message
    assert "PGPASSFILE" in raised.value.next_step
    refuse_password("--source", "postgresql://reader@h/d?passfile=/etc/pass")
    refuse_password("--tc", None)
    joining = SnapshotTicket("P2", url, "Portal 2.0", "0-1", Path(), "", Path(), "objects")
    assert "Hunter2" not in repr(joining) + repr(Options(source=url, tc=url, target=url))
