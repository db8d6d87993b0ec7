"""Who may call the server, and what its answers may load."""

import ipaddress
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Guard:
    """Keeps other sites out: they can neither call this server nor be called by its page.

    A page elsewhere may make a browser send anything here. It is refused by its ``Origin``; and
    where it has made its own name mean this machine (DNS rebinding), by that name in ``Host``.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        machine = socket.gethostname().lower()
        self._names = {"localhost", host.lower(), machine, f"{machine}.local"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refused(scope["method"], headers)
        answer: Callable[[Scope, Receive, Send], Awaitable[None]] = self._app
        if refused:
            answer = JSONResponse({"error": refused}, 403)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_SAFETY]
            await send(message)

        await answer(scope, receive, send_with_headers)

    def _refused(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return "This server is not known by that name; use its address in numbers."
        if method in ("GET", "HEAD"):
            return None
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "Only the page of this server may do that."
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "Only the page of this server may do that."
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True


_SAFETY = [
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
