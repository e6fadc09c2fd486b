"""A webhook's receiver: a real HTTP server in a thread, which answers as it is told and remembers what it was sent."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def event(self) -> str:
        return self.headers["Lpad-Event"]

    @property
    def delivery(self) -> str:
        return self.headers["Lpad-Delivery"]


class Receiver:
    """Answers with these statuses, then with 204. meanwhile: called for each delivery before it is answered."""

    def __init__(self, statuses: Iterable[int] = (), meanwhile: Callable[[Received], Any] | None = None) -> None:
        self.received: list[Received] = []
        statuses = iter(statuses)
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                one = Received(dict(self.headers), self.rfile.read(int(self.headers["Content-Length"])))
                receiver.received.append(one)
                if meanwhile:
                    meanwhile(one)
                status = next(statuses, 204)
                self.send_response(status)
                if status in (301, 302, 307, 308):
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook/abc"

    @property
    def events(self) -> list[str]:
        return [one.event for one in self.received]

    def __enter__(self) -> Receiver:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
