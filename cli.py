"""The command line: options in, step called, result rendered, exit code out. `--help` imports no heavy dependency."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Any

import click

from etl.commands.given_options import answer_reported, day_of, options_of, reporter_of
from etl.commands.option_table import ENVIRONMENT, FREEZE, RUN, STORES, show_version, takes
from etl.commands.sql_commands import sql_commands
from etl.commands.strict_options import RowCommand, Seconds, StrictGroup, WholeNumber


@click.group(cls=StrictGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 140})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=show_version, help="Show the version and exit.")
def commands() -> None:
    """Migrates all data of the CTPAT and Trade Compliance portals to standalone entity accounts, once, and proves that nothing was lost."""


def _run_command(name: str, steps: tuple[str, ...], help_text: str, names: tuple[str, ...]) -> None:
    @commands.command(name, help=help_text)
    @takes(*names)
    def command(**given: Any) -> None:
        from etl.commands.rehearsal import run_with_rehearsal

        answer_reported(name, given, lambda reporter: run_with_rehearsal(options_of(given), steps, reporter))


_STEP_HELP = {
    "extract": "Extract one typed snapshot of the old portals into the run's folder, documents into the object store.",
    "split": "Split every profile into standalone accounts, and make one login of each e-mail address.",
    "reattach": "Assign documents, agreements, responses and all other rows to the accounts.",
    "check": "Run all checks on the staged rows; a critical failure ends with exit code 3.",
    "load": "Publish the checked rows in one transaction.",
    "report": "Write the report into the run's folder.",
}
_ALL = ("extract", "split", "reattach", "check", "load", "reconcile", "report")
_run_command("run", _ALL, "Run all steps in order, skipping completed ones; rerun to resume.", (*RUN, "approval", "rehearse"))
for _name, _help in _STEP_HELP.items():
    _run_command(_name, (_name,), _help, (*RUN, "approval") if _name == "load" else RUN)


@commands.command()
@takes(*STORES, "run", *FREEZE, "decisions", "mappings", "adapter", "log", "notify")
def reconcile(**given: Any) -> None:
    """Compare old and new from the databases and object stores themselves; needs no run folder."""
    from etl.pipeline.reconcile_step import reconciled

    answer_reported("reconcile", given, lambda reporter: reconciled(options_of(given), reporter))


@commands.command()
@click.option("--earlier", metavar="DIR", multiple=True, help="A run to forecast from; repeatable (default: the runs beside --run).")
@takes("source", "tc", "files", "target", "objects", "run", "decisions", "acceptance", "mappings", "adapter")
def plan(earlier: tuple[str, ...], **given: Any) -> None:
    """Show what a run would do: sources against mappings, rows, steps, space, time. Read-only."""
    from etl.commands.command_result import answer
    from etl.commands.plan import plan as facts

    answer("plan", given, lambda: facts(options_of(given), [Path(run) for run in earlier]))


@commands.command()
@click.option(
    "--forget", is_flag=True, help="Remove what was precopied: this run will never publish. Shows what, and asks for confirmation."
)
@takes("source", "tc", "target", "files", "objects", "run", "mappings", "adapter", "log", "notify", "yes")
def precopy(forget: bool, **given: Any) -> None:
    """Copy documents into the object store while the old portals are open; repeatable, before `run` with the same --run."""
    if forget:
        from etl.pipeline.forgotten import forget as forgotten

        answer_reported("precopy", given, lambda reporter: forgotten(options_of(given), reporter, bool(given["yes"])))
        return
    from etl.pipeline.precopy import precopy as copied

    answer_reported("precopy", given, lambda reporter: copied(options_of(given), reporter))


@commands.command()
@takes("run")
def status(**given: Any) -> None:
    """Show the progress of a run."""
    from etl.commands.command_result import answer
    from etl.commands.lookups import status as facts

    answer("status", given, lambda: facts(options_of(given)))


@commands.command(cls=RowCommand)
@click.argument("where", nargs=-1, metavar="[PORTAL TABLE KEY]")
@click.option("--account", metavar="NUMBER", help="An account's number: every source row behind it.")
@takes("run", "target", "mappings", "adapter")
def trace(where: tuple[str, ...], account: str | None, **given: Any) -> None:
    """Show what became of a source row (trace P2 document 17), or the source rows of an account (trace --account NUMBER)."""
    from etl.commands.command_result import answer
    from etl.commands.trace import trace as facts

    answer("trace", given, lambda: facts(options_of(given), where, account))


@commands.command()
@click.argument("email")
@takes("run", "target", "source", "mappings")
def picker(email: str, **given: Any) -> None:
    """List the accounts that a person sees after logging in, and through which old profiles."""
    from etl.commands.command_result import answer
    from etl.commands.lookups import picker as facts

    answer("picker", given, lambda: facts(options_of(given), email))


@commands.command()
@click.option("--digest", metavar="HEX", help="The digest to approve, as printed by `check` and `status`.")
@click.option("--key", metavar="FILE", required=True, help="The approver's own Ed25519 key (PEM); created if it does not exist.")
@click.option("--backup-id", metavar="TEXT", help="Name of the backup of the new store.")
@click.option("--backup-at", metavar="MOMENT", help="When the backup was made (2023-09-16T21:30:00+00:00).")
@click.option("--backup-sha256", metavar="HEX", help="SHA-256 of the backup.")
@click.option("--approval", metavar="FILE", help="File to write the approval to.")
@takes()
def approve(
    digest: str | None,
    key: str,
    backup_id: str | None,
    backup_at: str | None,
    backup_sha256: str | None,
    approval: str | None,
    **given: Any,
) -> None:
    """Sign the approval to publish what has this digest; needs no run folder. With --key alone only create the key."""
    from etl.commands.command_result import answer
    from etl.evidence.approval import approve as signed

    out = Path(approval) if approval is not None else None
    answer("approve", given, lambda: signed(Path(key), digest, backup_id, backup_at, backup_sha256, out))


@commands.command()
@takes("target", "objects", "run", "mappings", "adapter", "log", "notify", "yes")
def rollback(**given: Any) -> None:
    """Roll back exactly what the run published."""
    from etl.pipeline.rollback import rollback as rolled_back

    answer_reported("rollback", given, lambda reporter: rolled_back(options_of(given), reporter, bool(given["yes"])))


@commands.command()
@takes("run", "yes")
def purge(**given: Any) -> None:
    """Delete the legacy data that the run's folder holds; keep what proves the migration."""
    from etl.commands.command_result import answer
    from etl.commands.purge import purge as facts

    answer("purge", given, lambda: facts(options_of(given), bool(given["yes"])))


@commands.group()
def freeze() -> None:
    """Check whether the old portals are frozen."""


@freeze.command("check")
@click.option("--seconds", metavar="S", type=Seconds(0, 3600), default=5.0, show_default=True, help="How long to watch.")
@takes("source", "tc", "mappings", "adapter")
def freeze_check(seconds: float, **given: Any) -> None:
    """Inspect twice: exit code 5 if a table changed in between; list who could still write."""
    from etl.commands.command_result import answer
    from etl.commands.freeze_check import check

    answer("freeze check", given, lambda: check(options_of(given), seconds))


commands.add_command(sql_commands(takes))


@commands.group()
def evidence() -> None:
    """Pack and verify the evidence of a migration."""


_BUNDLE = click.option("--bundle", metavar="DIR", required=True, help="The bundle's folder.")


@evidence.command("pack")
@_BUNDLE
@click.option("--key", metavar="FILE", required=True, help="Ed25519 key (PEM); created if it does not exist. Keep it outside the bundle.")
@click.option("--documents", is_flag=True, default=False, help="Include the documents' bytes as a BagIt bag.")
@takes("run", "mappings")
def evidence_pack(bundle: str, key: str, documents: bool, **given: Any) -> None:
    """Pack and sign manifest, events, report, results, mappings and versions."""
    from etl.commands.command_result import answer
    from etl.evidence.bundle import pack

    answer("evidence pack", given, lambda: pack(options_of(given), Path(bundle), Path(key), documents))


@evidence.command("verify")
@_BUNDLE
@click.option("--public-key", metavar="FILE", required=True, help="The public key (PEM).")
@click.option("--approver", metavar="FILE", help="Public key (PEM) of the approver to check against.")
@click.option("--authority", metavar="FILE", help="Certificates (PEM) of the time-stamping authority, including its root.")
@takes()
def evidence_verify(bundle: str, public_key: str, approver: str | None, authority: str | None, **given: Any) -> None:
    """Verify every byte against the signature, and report what the bundle proves; exit code 6 names file and line. Works offline."""
    from etl.commands.command_result import answer
    from etl.evidence.bundle import verify

    keys = [Path(path) if path else None for path in (approver, authority)]
    answer("evidence verify", given, lambda: verify(Path(bundle), Path(public_key), *keys))


@evidence.command("stamp")
@_BUNDLE
@click.option("--time-stamp", metavar="FILE", required=True, help="The authority's RFC 3161 response for the bundle's evidence.sig.")
@takes()
def evidence_stamp(bundle: str, time_stamp: str, **given: Any) -> None:
    """Add a trusted time stamp to the bundle's signature."""
    from etl.commands.command_result import answer
    from etl.evidence.time_stamp import stamp

    answer("evidence stamp", given, lambda: stamp(Path(bundle), Path(time_stamp)))


@commands.command("sample-audit")
@click.option("--size", metavar="N", type=WholeNumber(1, 100_000), default=50, show_default=True, help="Number of source rows.")
@click.option("--seed", metavar="S", type=WholeNumber(0), default=1, show_default=True, help="The same seed draws the same rows.")
@click.option("--out", metavar="FILE", help="Where the list is written (default: sample-audit.csv in the run's folder).")
@takes("run", "target", "mappings")
def sample_audit(size: int, seed: int, out: str | None, **given: Any) -> None:
    """Draw a random sample of source rows for an auditor, old and new side by side; risky rows are drawn more often."""
    from etl.commands.command_result import answer
    from etl.commands.sample_audit import sample as drawn

    answer(
        "sample-audit",
        given,
        lambda: drawn(options_of(given), size, seed, Path(out) if out else Path(given["run"] or ".") / "sample-audit.csv"),
    )


@commands.command(cls=RowCommand)
@click.argument("profile", type=WholeNumber(-(2**63), 2**63 - 1), required=False)
@click.option("--folder", metavar="DIR", required=True, help="Where the letters are written.")
@click.option("--sender", metavar="TEXT", envvar=f"{ENVIRONMENT}_SENDER", help="Sender and contact for questions.")
@click.option("--dated", metavar="DATE", help="The letters' date (default: the day on which the run published).")
@click.option("--replaces", metavar="DIR", help="The folder of the letters that these replace.")
@takes("target", "source", "run", "mappings")
def company(profile: int | None, folder: str, sender: str | None, dated: str | None, replaces: str | None, **given: Any) -> None:
    """Write a letter to one company or to all: accounts, what each person sees, what to do, what was not carried over."""
    from etl.commands.command_result import answer
    from etl.commands.company import letters

    earlier = Path(replaces) if replaces else None

    def written() -> dict[str, Any]:
        day = day_of("dated", dated).isoformat() if dated else ""
        return letters(options_of(given), profile, Path(folder), sender, day, earlier)

    answer("company", given, written)


@commands.command()
@click.option("--since", metavar="DIR", help="An earlier run: also report which points are new, closed or still open.")
@click.option("--bounces", metavar="FILE", help="CSV with a column email: addresses whose mail bounced.")
@click.option("--names", is_flag=True, default=False, help="Also write activation.csv, one line per login: personal data.")
@click.option("--out", metavar="DIR", help="Where the lists are written (default: readiness/ in the run's folder).")
@takes("run", "target", "mappings")
def readiness(since: str | None, bounces: str | None, names: bool, out: str | None, **given: Any) -> None:
    """Write work lists from a finished or rehearsed run: open points, companies, crosswalk, dates, clocks."""
    from etl.commands.command_result import answer
    from etl.commands.readiness import readiness as written

    paths = [Path(value) if value else None for value in (out, since, bounces)]
    answer("readiness", given, lambda: written(options_of(given), paths[0], paths[1], paths[2], names))


@commands.command()
@click.argument("runs", nargs=-1, metavar="DIR DIR...")
@click.option("--out", metavar="DIR", help="Where the comparison is written (default: compare/ in the last run's folder).")
@takes("mappings")
def compare(runs: tuple[str, ...], out: str | None, **given: Any) -> None:
    """Compare runs: counts by table, rule and reason, step times, and rows that appeared on a list or disappeared."""
    from etl.commands.command_result import answer
    from etl.commands.compare import compare as written

    answer("compare", given, lambda: written(options_of(given), [Path(run) for run in runs], Path(out) if out else None))


@commands.command()
@click.option("--port", metavar="N", type=WholeNumber(0, 65_535), default=0, help="Port to listen on (default: a free one).")
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; beyond loopback, TLS and a login are required.",
)
@click.option("--tls-cert", metavar="FILE", help="Certificate (PEM).")
@click.option("--tls-key", metavar="FILE", help="Its private key (PEM).")
@click.option("--login", metavar="FILE", help="File of user names and password digests.")
@click.option("--add-login", metavar="NAME", help="Add a name to --login, with its password from standard input, and exit.")
@click.option("--state", metavar="DIR", help="Folder of index and audit log (default: explore/ in the run's folder).")
@click.option(
    "--names", is_flag=True, default=False, help="Show personal data; by default names, e-mails and personal identifiers are masked."
)
@click.option("--documents", is_flag=True, default=False, help="Allow documents to be downloaded.")
@takes("run", "target", "source", "tc", "files", "objects", "mappings")
def explore(**given: Any) -> None:
    """Serve a read-only web application over a migrated store; the first line on stdout is its address."""
    from etl.commands.command_result import answer
    from etl.commands.explore import Serving, added_login
    from etl.commands.explore import explore as served

    files = {name: Path(given[name]) if given[name] else None for name in ("tls_cert", "tls_key", "login", "state")}
    serving = Serving(given["host"], given["port"], **files, names=given["names"], documents=given["documents"])
    if given["add_login"]:
        answer("explore", given, lambda: added_login(files["login"], given["add_login"]))
    answer("explore", given, lambda: served(options_of(given), serving))


@commands.command()
@click.option(
    "--to", metavar="DIR", required=True, help="Where scan.json, the draft and worklist.md are written; existing approved lines are kept."
)
@click.option("--scan", metavar="FILE", help="A scan.json instead of the old portal: no connection is needed.")
@takes("source", "tc", "mappings")
def scaffold(to: str, scan: str | None, **given: Any) -> None:
    """Inspect an unknown old portal and draft its adapter: a scan without personal data, suggestions with scores, a work list."""
    from etl.commands.command_result import answer
    from etl.commands.scaffold import scaffold as facts

    answer("scaffold", given, lambda: facts(options_of(given), Path(to), Path(scan) if scan else None))


@commands.command()
@takes(*STORES, "run", "freeze_from", "freeze_to", "decisions", "acceptance", "workers", "mappings", "adapter", "approver")
def doctor(**given: Any) -> None:
    """Check whether the cut-over may begin: plan, rights, servers, clocks, connections, disks. Exit code 7 if not; read-only."""
    from etl.commands.command_result import answer
    from etl.commands.doctor import doctor as facts

    answer("doctor", given, lambda: facts(options_of(given)))


@commands.command()
@click.option("--to", metavar="DIR", required=True, help="The folder in which the files are written.")
@click.option("--reader", metavar="NAME", default="migration_reader", show_default=True, help="The role that reads the old portals.")
@click.option("--writer", metavar="NAME", default="migration_writer", show_default=True, help="The role that fills the new store.")
@click.option("--auditor", metavar="NAME", default="migration_auditor", show_default=True, help="The role that reads both.")
@click.option("--portal-schema", metavar="NAME", default="public", show_default=True, help="The schema of the old portals' tables.")
@click.option("--store-schema", metavar="NAME", default="portal3", show_default=True, help="The new store's schema.")
@takes(*STORES, "run", "freeze_from", "freeze_to", "approver")
def init(to: str, **given: Any) -> None:
    """Write migration.toml and the SQL of roles and freeze with your names; prompt on a terminal for missing options."""
    from etl.commands.command_result import answer
    from etl.commands.init import init as written

    settings = {name.replace("_", "-"): given[name] for name in (*STORES, "run", "freeze_from", "freeze_to", "approver")}
    names = {name: given[name] for name in ("reader", "writer", "auditor", "portal_schema", "store_schema")} | {
        "maintenance": "postgres",
        "rehearser": "migration_rehearser",
    }
    answer("init", given, lambda: written(Path(to), settings, names))


@commands.command()
@click.option("--earlier", metavar="DIR", multiple=True, help="A run to forecast from; repeatable (default: the runs beside --run).")
@click.option("--out", metavar="DIR", required=True, help="Where runbook.html and runbook.md are written.")
@takes(*STORES, "run", "freeze_from", "freeze_to", "mappings", "adapter", "approver")
def runbook(earlier: tuple[str, ...], out: str, **given: Any) -> None:
    """Write the checklist of this cut-over from its configuration and forecast: who, when, command, expected result, rollback."""
    from etl.commands.command_result import answer
    from etl.commands.runbook import runbook as written

    config = click.get_current_context().meta.get("config")
    answer(
        "runbook", given, lambda: written(options_of(given), Path(config) if config else None, Path(out), [Path(run) for run in earlier])
    )


@commands.command()
@click.option("--size", metavar="N", type=WholeNumber(1, 10_000), default=200, show_default=True, help="Number of faults to plant.")
@click.option("--seed", metavar="S", type=WholeNumber(0), default=1, show_default=True, help="The same seed plants the same faults.")
@takes()
def selftest(size: int, seed: int, **given: Any) -> None:
    """Test the verifier: plant faults in copies of a small migrated world and count how many it finds."""
    from etl.commands.command_result import answer
    from etl.commands.selftest import selftested

    answer("selftest", given, lambda: selftested(size, seed, reporter_of(given)))


@commands.command()
@click.option("--profiles", metavar="N", type=WholeNumber(1, 1_000_000), default=60, show_default=True, help="Number of company profiles.")
@click.option("--seed", metavar="S", type=WholeNumber(0), default=1, show_default=True, help="The same seed gives the same world.")
@click.option(
    "--like",
    type=click.Choice(["contract", "foreign"]),
    default="contract",
    show_default=True,
    help="foreign: another schema, with its adapter written to --adapter.",
)
@takes("source", "tc", "files", "adapter")
def sample(profiles: int, seed: int, like: str, **given: Any) -> None:
    """Write a synthetic legacy world of any size into empty databases."""
    from etl.commands.command_result import answer
    from etl.commands.demo import write_sample

    answer("sample", given, lambda: write_sample(options_of(given), profiles, seed, like == "foreign"))


@commands.command()
@click.argument("folder", default="demo", metavar="[DIR]")
@takes()
def demo(folder: str, **given: Any) -> None:
    """Create the sample world in DIR, migrate it, reconcile, and write the report."""
    from etl.commands.command_result import answer
    from etl.commands.demo import run_demo

    answer("demo", given, lambda: run_demo(Path(folder), reporter_of(given)))


def main() -> None:
    """The entry point: wrong usage ends with 2 and, with `--output json`, with an envelope as well."""
    gc.set_threshold(50_000)  # a look-up makes mappings that last and no waste: looking for waste takes a twentieth of it
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # started with stdout closed: no database's file may get its number
    os.close(descriptor)
    sys.stdout, sys.stderr = sys.stdout or os.fdopen(1, "w"), sys.stderr or os.fdopen(2, "w")
    try:
        code = commands.main(standalone_mode=False, prog_name="portal-migrate")
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except click.ClickException as error:
        from etl.commands.command_result import refuse_usage

        refuse_usage(error, sys.argv[1:])
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
