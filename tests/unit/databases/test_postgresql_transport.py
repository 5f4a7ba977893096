"""The connection to PostgreSQL on another machine: verify-full by default (row 50 of faults.md), for every command.

The other machine is this one under an address that is not loopback; TLS is spoken by a pooler of whole sessions before the server.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy.engine import make_url

from etl.databases import redacted_url
from etl.databases.postgresql.transport import sslmode
from etl.reconcile.databases import postgresql as verifier
from tests.faults.pooler import pooled
from tests.faults.postgres import Server, started, write_postgres_world
from tests.faults.world import write_world
from tests.support.command import command

PG = ("PGHOST", "PGHOSTADDR", "PGSSLMODE", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR")


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in PG:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / ".pg_service.conf"
    file.write_text("# ours\n[far]\nhost=db.example\n[weak]\nhost=db.example\nsslmode=require\n[near]\nhost=/run/postgresql\n")
    return file


MODES: list[tuple[str, dict[str, str], str | None]] = [
    ("postgresql://db.example/x", {}, "verify-full"),
    ("postgresql+psycopg://u:p@10.1.2.3:5433/x", {}, "verify-full"),
    ("postgresql://[2001:db8::1]/x", {}, "verify-full"),
    ("postgresql://db.example/x?sslmode=require", {}, "require"),
    ("postgresql://db.example/x", {"PGSSLMODE": "disable"}, "disable"),
    ("postgresql://db.example/x?sslmode=verify-ca", {"PGSSLMODE": "disable"}, "verify-ca"),
    ("postgresql:///x", {}, None),
    ("postgresql:///x?host=/run/postgresql", {}, None),
    ("postgresql://%2Frun%2Fpostgresql/x", {}, None),
    ("postgresql://localhost/x", {}, None),
    ("postgresql://127.9.9.9/x", {}, None),
    ("postgresql://[::1]/x", {}, None),
    ("postgresql:///x", {"PGHOST": "db.example"}, "verify-full"),
    ("postgresql:///x", {"PGHOST": "/run/postgresql"}, None),
    ("postgresql://localhost/x", {"PGHOST": "db.example"}, None),
    ("postgresql:///x?host=localhost,db.example", {}, "verify-full"),
    ("postgresql:///x?host=localhost,/run/postgresql", {}, None),
    ("postgresql:///x?host=localhost&host=db.example", {}, "verify-full"),
    ("postgresql://localhost/x?hostaddr=10.1.2.3", {}, "verify-full"),
    ("postgresql://db.example/x?hostaddr=127.0.0.1", {}, None),
    ("postgresql:///x?host=db.example,db.example&hostaddr=127.0.0.1,", {}, "verify-full"),
    ("postgresql://localhost/x", {"PGHOSTADDR": "10.1.2.3"}, "verify-full"),
    ("postgresql:///x?service=far", {}, "verify-full"),
    ("postgresql:///x?service=weak", {}, "require"),
    ("postgresql:///x?service=weak", {"PGSSLMODE": "disable"}, "require"),
    ("postgresql:///x?service=near", {"PGHOST": "db.example"}, None),
    ("postgresql:///x", {"PGSERVICE": "weak"}, "require"),
    ("postgresql:///x", {"PGSERVICE": "far", "PGSSLMODE": "allow"}, "allow"),
    ("postgresql:///x?service=none", {}, None),
]


@pytest.mark.parametrize(("url", "environment", "mode"), MODES, ids=[f"{url} {' '.join(said.values())}" for url, said, _ in MODES])
@pytest.mark.usefixtures("services")
def test_plan_and_report_name_the_tls_mode(
    url: str, environment: dict[str, str], mode: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loader and the verifier, which share no code, find the same; what is less than verify-full is shown."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    parsed = make_url(url)
    assert sslmode(parsed) == mode
    assert verifier._elsewhere(parsed) == (mode is not None)
    assert mode is None or (verifier._said(parsed, "sslmode") or "verify-full") == mode
    less = f"?sslmode={mode}" if mode not in (None, "verify-full") else ""
    assert redacted_url(url).partition("?")[1:] == ("?" if less else "", less[1:])


def own_address() -> str:
    """An address of this machine that is not loopback."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("192.0.2.1", 9))  # nothing is sent
        address = str(asking.getsockname()[0])
        if not ipaddress.ip_address(address).is_loopback:
            return address
    pytest.skip("this machine has no address but loopback")


def certificate(folder: Path, name: str, address: str, until: timedelta = timedelta(days=1)) -> Path:
    """Returns a self-signed certificate for that address; its key is in the same folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=3))
        .not_valid_after(now + until)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(key.private_bytes(*form))
    (folder / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return folder / f"{name}.crt"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(tmp_path_factory.mktemp("transport")) as running:
        running.fresh("portal3")
        yield running


def plan(url: str, folder: Path, **environment: str) -> tuple[int, str]:
    done = command("plan", "--source", "sqlite:///world/portal2.sqlite", "--target", url, folder=folder, HOME=str(folder), **environment)
    assert "Traceback" not in done.err
    return done.code, done.err


def test_an_untrusted_certificate_is_refused(server: Server, tmp_path: Path) -> None:
    address = own_address()
    (tmp_path / "world").mkdir()
    write_world(tmp_path / "world")
    for name, of, until in (
        ("good", address, timedelta(days=1)),
        ("other", "192.0.2.1", timedelta(days=1)),
        ("old", address, timedelta(days=-1)),
    ):
        right = certificate(tmp_path, name, of, until)
        tls = {"client_tls_sslmode": "allow", "client_tls_cert_file": str(right), "client_tls_key_file": str(right.with_suffix(".key"))}
        with pooled(server, tmp_path / f"tls-{name}", pool_mode="session", listen_addr=address, **tls) as port:
            url = f"postgresql://postgres@{address}:{port}/portal3"
            code, said = plan(url, tmp_path, PGPASSWORD="canary-password-9d2e")
            assert code == 1, said
            assert "the server's certificate is not accepted" in said
            assert "sslrootcert" in said
            assert "sslmode=require" in said
            known = plan(f"{url}?sslrootcert={right}", tmp_path, PGPASSWORD="canary-password-9d2e")
            assert known[0] == (0 if name == "good" else 1), (name, known)
            assert plan(f"{url}?sslmode=require", tmp_path, PGPASSWORD="canary-password-9d2e")[0] == 0
            assert plan(url, tmp_path, PGPASSWORD="canary-password-9d2e", PGSSLMODE="require")[0] == 0


def test_a_server_without_tls_is_reported(server: Server, tmp_path: Path) -> None:
    """Refused by all that connects: plan, the source, the verifier. With sslmode=disable it works, and log, report and manifest say so."""
    address = own_address()
    (tmp_path / "world").mkdir()
    write_world(tmp_path / "world")
    write_postgres_world(server, tmp_path / "world")
    password = {"PGPASSWORD": "canary-password-9d2e", "HOME": str(tmp_path)}
    with pooled(server, tmp_path / "plain", pool_mode="session", listen_addr=address) as port:
        at = f"postgresql://postgres@{address}:{port}"
        stores = ("--files", "world/files", "--objects", "objects")
        for words in (
            ("plan", "--target", f"{at}/portal3"),
            ("plan", "--source", f"{at}/legacy_portal2"),
            ("reconcile", "--source", f"{at}/legacy_portal2", "--target", f"{at}/portal3", *stores),
        ):
            done = command(*words, folder=tmp_path, **password)
            assert done.code == 1, done.err
            assert "sslmode" in done.err
        weak = [f"{at}/{name}?sslmode=disable" for name in ("legacy_portal2", "legacy_tc", "portal3")]
        done = command(
            "run", "--source", weak[0], "--tc", weak[1], "--target", weak[2], *stores, "--run", "run", folder=tmp_path, **password
        )
        assert done.code == 0, done.err
        settings = json.loads((tmp_path / "run/manifest.json").read_bytes())["run"]["settings"]
        assert [settings[name] for name in ("source", "tc", "target")] == weak
        assert all(json.loads(line)["settings"]["target"] == weak[2] for line in (tmp_path / "run/events.jsonl").read_text().splitlines())
        assert weak[2] in (tmp_path / "run/report/report.md").read_text(encoding="utf-8")
        # A run resumes with its first connection settings: the store is reached the same way without repeating them.
        assert command("rollback", "--run", "run", "--yes", folder=tmp_path, **password).code == 0
