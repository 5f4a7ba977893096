"""A proxy in front of a PostgreSQL server that understands as much of the protocol as is needed to break it at a chosen point.

It counts COMMITs (of the simple and the extended protocol), statements and bytes, and at its fault kills the client or drops the connection.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_ENCRYPTION = (80877103, 80877104)  # SSLRequest, GSSENCRequest
_CANCEL = 80877102


@dataclass
class Fault:
    """Where the connection breaks, once: `at` is one of `commit`, `committed`, `statement`, `sent`, `received`; `number` counts from 1.

    commit: before the n-th COMMIT is forwarded; committed: when the server has answered it and the client does not know; statement: before
    the n-th statement is forwarded; sent, received: after so many bytes to the server, to the client.
    """

    at: str = "never"
    number: int = 1
    act: Callable[[], None] = field(default=lambda: None)  # before the connection is dropped: kill the client, or nothing
    fired: bool = False


class Proxy:
    """Listens on a port of this machine as long as the block runs; `counts`: what went by since the last fault was armed."""

    def __init__(self, server_socket: str) -> None:
        self._server_socket = server_socket
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.fault = Fault()
        self.counts: dict[str, int] = {}
        self.delay = 0.0  # seconds that every message waits, either way

    def arm(self, fault: Fault) -> Fault:
        with self._lock:
            self.fault, self.counts = fault, dict.fromkeys(("commit", "committed", "statement", "sent", "received"), 0)
        return fault

    def __enter__(self) -> Self:
        self.arm(Fault())
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def close(self) -> None:
        """Accepts no further connection, like a stopped server."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept: only then the port is free
        self._listener.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        for connection in list(self._open):
            _drop(connection)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )  # else every statement waits 40 ms for the acknowledgement of the one before
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        pair = {client, server}
        self._open |= pair
        try:
            server.connect(self._server_socket)
            while (first := _exactly(client, 4)) and (rest := _exactly(client, struct.unpack("!I", first)[0] - 4)):
                (code,) = struct.unpack("!I", rest[:4])
                if code not in _ENCRYPTION:
                    server.sendall(first + rest)
                    break
                client.sendall(b"N")
            else:
                return
            back = threading.Thread(target=self._pump, args=(server, client, "received"), daemon=True)
            back.start()
            self._pump(client, server, "sent")
            back.join()
        except OSError:
            return
        finally:
            for end in pair:
                _drop(end)
            self._open -= pair

    def _pump(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        """Forwards whole messages, one after the other, until one end closes or the fault is met."""
        with contextlib.suppress(OSError):
            while head := _exactly(source, 5):
                body = _exactly(source, struct.unpack("!I", head[1:])[0] - 4) or b""
                whole = head + body
                time.sleep(self.delay)
                passed = self._passed(way, head[:1], body, len(whole))
                sink.sendall(whole[:passed])
                if passed < len(whole):
                    break
        # Half of a connection is none: both ends learn that it is over.
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _passed(self, way: str, kind: bytes, body: bytes, size: int) -> int:
        """How many bytes of the message go on: all, or fewer where the fault is met."""
        with self._lock:
            fault, counts = self.fault, self.counts
            before = counts[way]
            counts[way] += size
            met = None
            if way == "sent" and kind in b"QP":
                text = (body if kind == b"Q" else body.split(b"\0", 1)[1]).split(b"\0", 1)[0].strip(b" ;\n").upper()
                counts["statement"] += 1
                met = "statement"
                if text in (b"COMMIT", b"END"):
                    counts["commit"] += 1
                    met = "commit" if fault.at == "commit" else met
            elif way == "received" and kind == b"C" and body == b"COMMIT\0":
                counts["committed"] += 1
                met = "committed"
            if fault.fired:
                return size
            if fault.at == way and before + size >= fault.number:
                passed = max(0, fault.number - before)
            elif fault.at == met and counts[fault.at] == fault.number:
                passed = 0
            else:
                return size
            fault.fired = True
        fault.act()
        return min(passed, size - 1)


def _exactly(source: socket.socket, size: int) -> bytes | None:
    """So many bytes; None where the connection ends before."""
    parts = bytearray()
    while len(parts) < size:
        part = source.recv(min(size - len(parts), 1 << 16))
        if not part:
            return None
        parts += part
    return bytes(parts)


def _drop(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
