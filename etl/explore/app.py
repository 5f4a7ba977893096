"""The web application: GET only, one session token or a login, strict headers, limits, an audit log. No route writes to any store."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from etl.domain.masking import masked
from etl.explore.hits import links
from etl.explore.logins import Logins
from etl.explore.page_rows import Page
from etl.explore.page_text import as_text
from etl.explore.pages import NotFound, Pages, Traced
from etl.explore.personal import Personal
from etl.explore.search import LONGEST, SHOWN, Hit, named_row, search
from etl.report.text import number, size, visible
from mappings.model import Mappings

COOKIE = "explore"
_HERE = Path(__file__).parent
_LONGEST_PATH = 2_000
_RATE, _BURST = 400.0, 2_000.0  # requests a second of all clients together, and how many at once: far above what people do
_CSP = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_HEADERS = (
    (b"content-security-policy", _CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"interest-cohort=()"),
)


@dataclass(frozen=True)
class Settings:
    """How the application was started. `hosts`: the values of the Host header that it answers to; `token`: of the start address, unused where
    there are logins; `object_file`: the bytes of a digest as a file; `report`: the run's report as data, None without a run; `traced`: the new rows of an
    old row whose table the index does not have."""

    index: Path
    mappings: Mappings
    hosts: frozenset[str]
    token: str
    logins: Logins | None
    audit: Path
    names: bool
    secure: bool
    about: Mapping[str, str]
    object_file: Callable[[str], Path | None] | None = None
    report: Mapping[str, Any] | None = None
    traced: Traced | None = None


class Guard:
    """Checks every request first: method, host, length, rate, and login."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._left, self._at = _BURST, time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in _HEADERS if pair[0] not in given)]
            await send(message)

        refused = self._refused(Request(scope))
        await (refused or self._app)(scope, receive, with_headers)

    def _refused(self, request: Request) -> Response | None:
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("Only GET: nothing can be changed here.\n", 405, {"allow": "GET, HEAD"})
        if request.headers.get("host", "").lower() not in self._settings.hosts:
            return PlainTextResponse("This host name is not served here.\n", 421)
        if len(request.url.path) + len(request.url.query) > _LONGEST_PATH:
            return PlainTextResponse("The address is too long.\n", 414)
        now = time.monotonic()
        self._left, self._at = min(_BURST, self._left + (now - self._at) * _RATE), now
        if self._left < 1:
            return PlainTextResponse("Too many requests.\n", 429, {"retry-after": "1"})
        self._left -= 1
        return self._unknown(request)

    def _unknown(self, request: Request) -> Response | None:
        """Returns the response for a request without a valid session or login; None for a valid one, whose user it records in the request's state."""
        settings = self._settings
        if settings.logins is not None:
            name = settings.logins.who(request.headers.get("authorization", ""))
            if name is None:
                return PlainTextResponse("A login is needed.\n", 401, {"www-authenticate": 'Basic realm="explorer", charset="UTF-8"'})
            request.state.who = name
            return None
        if _same(request.cookies.get(COOKIE, ""), session(settings.token)):
            request.state.who = "start address"
            return None
        if request.url.path == "/" and _same(request.query_params.get("token", ""), settings.token):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(COOKIE, session(settings.token), httponly=True, samesite="strict", secure=settings.secure, path="/")
            return answer
        return PlainTextResponse("Open the address that the command printed at its start.\n", 403)


def session(token: str) -> str:
    """Returns the cookie's value, derived from the token, so that the token itself is not stored by the browser."""
    return hmac.new(token.encode(), b"explorer session", hashlib.sha256).hexdigest()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


@dataclass
class Audit:
    """The audit log: one JSON line per view of a company, account, person, document or row, with the user; mode 0600."""

    path: Path
    _lock: Lock = field(default_factory=Lock)

    def note(self, who: str, kind: str, ref: str) -> None:
        """Appends one line: time, user, kind and reference of what was viewed."""
        line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds"), "who": who, "page": kind, "of": ref}) + "\n"
        with self._lock:
            descriptor = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, line.encode())
            finally:
                os.close(descriptor)


class Explorer:
    """The routes. Each reads the index through a separate connection that cannot write."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine = sa.create_engine(
            f"sqlite:///file:{quote(str(settings.index.absolute()))}?mode=ro&uri=true",
            pool_size=16,  # connections stay open: each has its own cache of pages
            max_overflow=0,
            hide_parameters=True,
            connect_args={"check_same_thread": False},
        )
        self._audit = Audit(settings.audit)
        self._personal = Personal(settings.names)
        self._counting = Lock()
        self._counted: Page | None = None
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            auto_reload=False,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["key"] = lambda key: quote(self._personal.reference(str(key)), safe="")
        self._templates.filters |= {"visible": visible, "number": number, "size": size, "path": lambda part: quote(str(part), safe="")}
        for name in self._templates.list_templates(["j2"]):
            self._templates.get_template(name)  # compiled now: otherwise the first person waits
        self._static = {
            "explore.css": (
                (_HERE.parent / "report/report.css").read_bytes() + (_HERE / "templates" / "explore.css").read_bytes(),
                "text/css",
            ),
            "icon.svg": ((_HERE / "templates" / "icon.svg").read_bytes(), "image/svg+xml"),
            "explore.js": ((_HERE / "templates" / "explore.js").read_bytes(), "text/javascript"),
        }

    def routes(self) -> list[Route]:
        """Returns every address that is answered."""
        pages: dict[str, tuple[str, Callable[[Pages, dict[str, str]], Page]]] = {
            "/company/{profile}": ("company", lambda pages, at: pages.company(at["profile"])),
            "/account/{number:path}": ("account", lambda pages, at: pages.account(at["number"])),
            "/person/{login}": ("person", lambda pages, at: pages.person(at["login"])),
            "/document/{portal}/{key:path}": ("document", lambda pages, at: pages.document(at["portal"], at["key"])),
            "/rule/{number}": ("rule", lambda pages, at: pages.rule(at["number"])),
            "/held/{reason}": ("held", lambda pages, at: pages.held_reason(at["reason"])),
            "/row/{portal}/{table}/{key:path}": (
                "row",
                lambda pages, at: pages.row(at["portal"], at["table"], at["key"], self._settings.traced),
            ),
            "/run": ("run", lambda pages, at: self._overview(pages)),
        }
        found = [Route(path, self._page(kind, made), methods=["GET"]) for path, (kind, made) in pages.items()]
        return [
            Route("/", self._start, methods=["GET"]),
            Route("/search", self._search, methods=["GET"]),
            *found,
            Route("/object/{sha256}", self._object, methods=["GET"]),
            Route("/static/{name}", self._file, methods=["GET"]),
        ]

    def _page(self, kind: str, made: Callable[[Pages, dict[str, str]], Page]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            at = {name: str(value) for name, value in request.path_params.items()}

            def read() -> Response:
                with self._engine.connect() as connection:
                    page = made(Pages(connection, self._settings.mappings, self._personal), at)
                return self._shown(request, self._rendered(f"{kind}.html.j2", page=page, typed=""))

            try:
                response = await run_in_threadpool(read)
            except NotFound as error:
                return await run_in_threadpool(self._nothing_there, request, str(error))
            self._audit.note(request.state.who, kind, masked("/".join(at.values())))
            return response

        return answer

    def _overview(self, pages: Pages) -> Page:
        """Returns the run's page, counted once: the index does not change while it is served."""
        with self._counting:
            if self._counted is None:
                self._counted = pages.overview(self._settings.report)
        return self._counted

    async def _start(self, request: Request) -> Response:
        return await self._found(request, "search.html.j2")

    async def _search(self, request: Request) -> Response:
        """Returns the list of hits alone, for a search field that updates while typing."""
        return await self._found(request, "hits.html.j2")

    async def _found(self, request: Request, template: str) -> Response:
        typed = request.query_params.get("q", "")[:LONGEST]

        def read() -> Response:
            with self._engine.connect() as connection:
                found = search(connection, typed)
                named = named_row(typed, self._settings.mappings.tables)
                if named is not None and named not in found.hits and self._exists(connection, named):
                    found = replace(found, hits=(named, *found.hits))
                hits = links(connection, self._personal, found.hits)
            return self._shown(request, self._rendered(template, typed=typed, found=found, hits=hits, most=SHOWN))

        return await run_in_threadpool(read)

    def _exists(self, connection: sa.Connection, hit: Hit) -> bool:
        """Returns whether the row has a page."""
        portal, table, key = hit.ref.split(":", 2)
        try:
            Pages(connection, self._settings.mappings, self._personal).row(portal, table, key, self._settings.traced)
        except NotFound:
            return False
        return True

    def _nothing_there(self, request: Request, what: str) -> Response:
        """Returns 404 as a page with the search field."""
        if request.query_params.get("as") == "text":
            return self._nothing(what)
        page = self._rendered("nothing.html.j2", what=what, typed="")
        return Response(page, 404, {"cache-control": "private, no-cache"}, "text/html; charset=utf-8")

    def _nothing(self, what: str) -> Response:
        return PlainTextResponse(f"{visible(what)} was not found.\nTry the search: part of a name, number, e-mail or document name.\n", 404)

    async def _object(self, request: Request) -> Response:
        sha256 = request.path_params["sha256"]
        if self._settings.object_file is None:
            return PlainTextResponse("Documents are not shown: start with --documents.\n", 404)
        if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
            return self._nothing("that digest")
        # The same store holds the bytes of held rows and of sealed contents: only bytes of a loaded document are served.
        path = (
            await run_in_threadpool(self._settings.object_file, sha256) if await run_in_threadpool(self._is_of_a_document, sha256) else None
        )
        if path is None:
            return self._nothing(f"object {sha256}")
        self._audit.note(request.state.who, "object", sha256)
        # The browser saves the bytes of any type as a file and executes nothing.
        return FileResponse(
            path, media_type="application/octet-stream", filename=f"{sha256}.bin", headers={"content-security-policy": "sandbox"}
        )

    def _is_of_a_document(self, sha256: str) -> bool:
        with self._engine.connect() as connection:
            return Pages(connection, self._settings.mappings, self._personal).has_document_of(sha256)

    async def _file(self, request: Request) -> Response:
        known = self._static.get(request.path_params["name"])
        if known is None:
            return self._nothing("that file")
        await asyncio.sleep(0)
        return self._answer(request, known[0], known[1])

    def _shown(self, request: Request, page: str) -> Response:
        """Returns the rendered page, or its text where the address asks for it."""
        if request.query_params.get("as") == "text":
            return self._answer(request, as_text(page), "text/plain")
        return self._answer(request, page, "text/html")

    def _answer(self, request: Request, content: str | bytes, kind: str) -> Response:
        """Returns 200 with a tag of the content, or 304 if the browser has it already."""
        body = content if isinstance(content, bytes) else content.encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {"etag": tag, "cache-control": "private, no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=f"{kind}; charset=utf-8", headers=headers)

    def _rendered(self, template: str, **values: Any) -> str:
        return self._templates.get_template(template).render(
            about=self._settings.about, documents=self._settings.object_file is not None, names=self._settings.names, **values
        )


def application(settings: Settings) -> Starlette:
    """Returns the ASGI application."""
    return Starlette(routes=Explorer(settings).routes(), middleware=[Middleware(Guard, settings=settings)])
