"""Encryption of PostgreSQL connections: verify-full for every server except this machine's, unless the configuration says otherwise."""

from __future__ import annotations

import configparser
import ipaddress
import os
import urllib.parse
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

STRICT = "verify-full"


def sslmode(url: URL) -> str | None:
    """Returns the sslmode of URL, service file or environment, in libpq's order, else verify-full; None where all servers are this machine."""
    service = _service(_given(url, "service") or os.environ.get("PGSERVICE", ""))

    def said(name: str) -> str:
        return _given(url, name) or service.get(name, "") or os.environ.get(f"PG{name.upper()}", "")

    hosts = _given(url, "host") or urllib.parse.unquote(url.host or "") or said("host")
    # hostaddr is the address of the connection; the host's name is only compared with the certificate.
    servers = zip_longest(said("hostaddr").split(","), hosts.split(","), fillvalue="")
    if all(is_here(address or host) for address, host in servers):
        return None
    return said("sslmode") or STRICT


def _given(url: URL, name: str) -> str:
    value = url.query.get(name, "")
    return value if isinstance(value, str) else ",".join(value)


def is_here(host: str) -> bool:
    """Returns whether that is a socket, or a name or address that always means this machine."""
    if not host or host.startswith(("/", "@")) or host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _service(name: str) -> dict[str, str]:
    """Returns that service's parameters from the service files: the user's file, then the system's."""
    own = os.environ.get("PGSERVICEFILE") or str(Path(os.environ.get("HOME", "")) / ".pg_service.conf")
    for file in (own, str(Path(os.environ.get("PGSYSCONFDIR", "/etc/postgresql-common")) / "pg_service.conf")):
        found = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), strict=False)
        try:
            found.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # libpq reports what is wrong with it
        if name and found.has_section(name):
            return dict(found[name])
    return {}
