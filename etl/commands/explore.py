"""The command `explore`: builds the index, prints the start address, and serves until it is stopped."""

from __future__ import annotations

import gc
import ipaddress
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.commands.command_result import Interrupted
from etl.commands.lookups import published, target_url
from etl.databases import redacted_url
from etl.errors import MigrationError, WrongUsage
from etl.options import Options
from etl.path_overlap import of_run, refuse_overlap
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder, open_readonly
from mappings.model import Mappings
from mappings.read import read_mappings

_HELD_HERE = 10_000  # held rows: more are processed in a process of its own
_LOOPBACK = "127.0.0.1"
_LOOP_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Serving:
    """The address of the server and its users."""

    host: str = _LOOPBACK
    port: int = 0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    login: Path | None = None
    state: Path | None = None
    names: bool = False
    documents: bool = False


def explore(options: Options, serving: Serving) -> dict[str, Any]:
    """Serves until the process is stopped; the first line on stdout is the start address.

    Raises WrongUsage for an address beyond loopback without TLS and login, Refused where nothing was published and no stage files exist.
    """
    try:
        import starlette  # noqa: F401  # asked first, so that the message is ours
        import uvicorn  # noqa: F401
    except ImportError:
        raise MigrationError(
            "The explorer's packages are not installed.", "pip install 'portal-migration[explore]', or requirements-dev.lock."
        ) from None
    _judge(serving)
    mappings = read_mappings(options.mappings)
    folder = open_readonly(options.run) if options.run is not None else None
    if folder is None or "load" in folder.steps or options.target is not None:
        with published(options):
            pass  # a store that cannot be read is refused before --state is created
    state = _state(serving, options)
    index = state / "index.sqlite"
    about = _made(index, mappings, options, folder)
    with ExitStack() as stack:
        listening = listening_socket(serving)
        port = listening.getsockname()[1]
        stack.callback(listening.close)
        token = secrets.token_urlsafe(32)
        scheme = "https" if serving.tls_cert else "http"
        shown_host = f"[{serving.host}]" if ":" in serving.host else serving.host
        from etl.explore.app import Settings
        from etl.explore.logins import read_logins

        settings = Settings(
            index=index,
            mappings=mappings,
            hosts=_hosts(serving, port),
            token=token,
            logins=read_logins(serving.login) if serving.login is not None else None,
            audit=state / "audit.jsonl",
            names=serving.names,
            secure=serving.tls_cert is not None,
            about=about,
            object_file=_object_file(options, folder, stack) if serving.documents else None,
            report=_report(folder, mappings),
            traced=_traced(options, mappings) if about["published"] else None,
        )
        address = f"{scheme}://{shown_host}:{port}/" + ("" if serving.login is not None else f"?token={token}")
        try:
            _serve(serving, listening, settings, address)
        except Interrupted as stopped:
            stopped.message = "Stopped."
            stopped.next_step = f"The same command serves again; index and audit log are in {state}."
            raise
    return {"state": str(state), "stopped": True}


def added_login(file: Path | None, name: str) -> dict[str, Any]:
    """Adds a login to the file, with a password from standard input."""
    from etl.explore.logins import add_login

    if file is None:
        raise WrongUsage("--login is missing.", "Name the file of logins: --login FILE.")
    if sys.stdin.isatty():
        import getpass

        password = getpass.getpass("Password: ")
    else:
        password = sys.stdin.readline().rstrip("\n")
    add_login(file, name, password)
    return {"added": f"{name} can log in; the digest is in {file}", "login": str(file)}


def _judge(serving: Serving) -> None:
    beyond = serving.host not in ("localhost", "::1") and not _is_loopback(serving.host)
    if (serving.tls_cert is None) != (serving.tls_key is None):
        raise WrongUsage("--tls-cert and --tls-key are both required.", "Give both, or neither.")
    if beyond and (serving.tls_cert is None or serving.login is None):
        raise WrongUsage(
            f"--host {serving.host} can be reached from other machines: this requires TLS and a login.",
            "Give --tls-cert, --tls-key and --login, or leave --host out and use a tunnel.",
        )
    for option, file in (("--tls-cert", serving.tls_cert), ("--tls-key", serving.tls_key)):
        if file is not None and not file.is_file():
            raise WrongUsage(f"{option}: {file} is not a file.", f"Give a PEM file: {option}.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _state(serving: Serving, options: Options) -> Path:
    """Returns the folder of index and audit log: `explore/` in the run folder, or --state; 0700."""
    if serving.state is None and options.run is None:
        raise WrongUsage("--state is missing.", "Give a folder for index and audit log: --state DIR (or --run DIR).")
    from etl.system.private_folder import PrivateFolder

    if serving.state is not None:
        refuse_overlap(
            of_run(options, open_readonly(options.run).settings) if options.run is not None else options, ("--state", serving.state)
        )
    return PrivateFolder(serving.state or Path(str(options.run)) / layout.EXPLORE, "--state").path


def _made(index: Path, mappings: Mappings, options: Options, folder: RunFolder | None) -> dict[str, str]:
    """Builds the index where it is missing or of another state of the store; returns what the pages show about its origin."""
    from etl.explore.index import is_current, write_stamp

    purged = folder is not None and folder.settings.purged
    about = {
        "run": str(options.run.name) if options.run is not None else "",
        "purged": "yes" if purged else "",
        "gone": "The run's stage files were purged: the old rows as they were read, and the digests of new rows, have been removed."
        if purged
        else "",
    }
    if folder is not None and "load" not in folder.steps and options.target is None:
        stamp = f"stage {folder.digest(*folder.steps)}"
        if not is_current(index, stamp):
            sys.stderr.write("explore: building the index from the run's stage files\n")
            held = sum(
                file.rows for step in layout.MADE_BY if step in folder.steps for file in folder.files(step, layout.record(step, "held"))
            )
            built(index, mappings, None, options.run, held)
            write_stamp(index, stamp)
        return {**about, "published": "", "store": "stage files of a run that published nothing"}
    url = target_url(options)
    with published(options) as store:
        runs = store.rows("SELECT run_id, state_cd, manifest_sha256 FROM migration_run ORDER BY run_id")
        held = int(store.rows("SELECT count(*) AS held FROM migration_holding")[0]["held"])
    stamp = (
        f"store {redacted_url(url)} {mappings.digest} {runs} {'with' if folder is not None and not purged else 'without'} the run's folder"
    )
    if not is_current(index, stamp):
        sys.stderr.write("explore: building the index\n")
        built(index, mappings, url, options.run, held)
        write_stamp(index, stamp)
    return {**about, "published": "yes", "store": redacted_url(url)}


def built(index: Path, mappings: Mappings, target: str | None, run: Path | None, held: int) -> None:
    """Builds the index; with many `held` rows in a process of its own, whose memory the server does not keep."""
    if held <= _HELD_HERE:
        _build(index, mappings.home, target, run)
        return
    from etl.system.worker_pool import worker_processes

    lock = index.with_name("building")
    try:
        with worker_processes(1, lock) as processes:
            processes.submit(_build, index, mappings.home, target, run).result()
    finally:
        lock.unlink(missing_ok=True)


def _build(index: Path, home: Path, target: str | None, run: Path | None) -> None:
    from etl.explore.index import build

    build(index, read_mappings(home), target, open_readonly(run) if run is not None else None)


def listening_socket(serving: Serving) -> socket.socket:
    """Returns the bound socket of the server; raises MigrationError where host or port is not available."""
    family = socket.AF_INET6 if ":" in serving.host else socket.AF_INET
    # With the protocol named, asyncio sends each part of an answer at once; otherwise the last one waits for the other side, 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((serving.host, serving.port))
    except OSError as error:
        listening.close()
        raise MigrationError(
            f"{serving.host}:{serving.port} is not available for listening ({error.strerror}).",
            "Give another --port (0 takes a free one) or --host.",
        ) from None
    listening.listen(128)
    return listening


def _object_file(options: Options, folder: RunFolder | None, stack: ExitStack) -> Callable[[str], Path | None]:
    """Returns a function that gives an object as a file: compared with its digest, kept in a folder that the process removes at its end."""
    from etl.objects.address import bucket_of, folder_of
    from etl.objects.registry import open_objects

    address = options.objects or (folder.settings.objects if folder is not None else None)
    if not address:
        raise WrongUsage("--documents needs the object store.", "Give --objects, or --run of a run that has one.")
    if bucket_of(address) is None and not folder_of(address, "--objects").is_dir():
        raise MigrationError(f"--objects: {address} is not a folder.", "Give --objects the object store of the migration.")
    store = open_objects(address)
    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="explore-")))

    def file_of(sha256: str) -> Path | None:
        path = scratch / sha256
        if not path.exists():
            if store.size(sha256) is None:
                return None
            while sum(1 for _ in scratch.iterdir()) >= 32:  # limited: the oldest file is removed
                min(scratch.iterdir(), key=lambda old: old.stat().st_mtime).unlink(missing_ok=True)
            store.copy(sha256, path)
        return path

    return file_of


def _hosts(serving: Serving, port: int) -> frozenset[str]:
    """Returns the values of the Host header that are answered to."""
    names = {serving.host, f"[{serving.host}]"} | (set(_LOOP_NAMES) if serving.login is None else {socket.gethostname(), socket.getfqdn()})
    return frozenset(f"{name}:{port}".lower() for name in names)


def _report(folder: RunFolder | None, mappings: Mappings) -> dict[str, Any] | None:
    """Returns the run's report as data: the one it wrote, or one of the steps that are done; None without a run, or where a purge removed what it needs."""
    if folder is None:
        return None
    from etl.report.facts import facts
    from etl.report.lists import document

    written = document(folder, "report", layout.REPORT_JSON)
    return written or (None if folder.settings.purged else facts(folder, mappings))


def _traced(options: Options, mappings: Mappings) -> Callable[[str, str, str], list[dict[str, Any]]]:
    """Returns a function that finds the new rows of an old row in the store, as `trace` does."""
    from etl.commands.trace import row_of

    def traced(portal: str, table: str, key: str) -> list[dict[str, Any]]:
        mapping = next(m for (p, t), m in mappings.tables.items() if (p, t) == (portal, table))
        try:
            rows = row_of(options, mappings, mapping, key)["rows"]
        except MigrationError:  # no such row
            return []
        return [{"target": row["table"], "account_number": row["account_number"], "legal_name": None} for row in rows]

    return traced


def keep_lasting_objects() -> None:
    """Excludes what exists now from later collections: mappings and libraries last as long as the server, and looking through them takes 0.1 s of one answer."""
    gc.collect()
    gc.freeze()


def _serve(serving: Serving, listening: socket.socket, settings: Any, address: str) -> None:
    import uvicorn

    from etl.explore.app import application

    served = application(settings)
    keep_lasting_objects()
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
    sys.stderr.write("explore: read only; stop it with Ctrl-C\n")
    config = uvicorn.Config(
        served,
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=True,
        lifespan="off",
        limit_concurrency=512,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=16_384,
        ssl_certfile=serving.tls_cert,
        ssl_keyfile=serving.tls_key,
    )
    uvicorn.Server(config).run(sockets=[listening])
