"""Who may call the server, and what its answers may load."""

import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Guard:
    """Keeps other sites out: they can neither call this server nor be called by its page.

    A page elsewhere may make a browser send anything here. It is refused by its ``Origin``; and
    where it has made its own name mean this machine (DNS rebinding), by that name in ``Host``.
    Where there is a ``token`` that is ``needed``, whoever does not know it is kept out, too: it
    comes once with the address of the page, ``/?token=...``, and from then on in a cookie. What it
    lets do besides asks `is_known`.
    """

    def __init__(
        self, app: ASGIApp, host: str, token: str | None = None, needed: bool = True
    ) -> None:
        self._app = app
        self._token, self._needed = token, needed
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
        elif self._token is not None:
            request = Request(scope)
            scope[_KNOWN] = _is_same(request.cookies.get(_cookie(request)), self._token)
            answer = self._stranger(request, self._token) or self._app

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
        if origin is not None and _split(origin).netloc != host:
            return "Only the page of this server may do that."
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "Only the page of this server may do that."
        return None

    def _stranger(self, request: Request, token: str) -> Response | None:
        """What somebody gets who has not shown the token before; None for all others."""
        if is_known(request):
            return None
        if request.url.path == "/" and _is_same(request.query_params.get("token"), token):
            welcome = RedirectResponse("/", 303)  # the address that stays in sight has no token
            welcome.set_cookie(_cookie(request), token, httponly=True, samesite="lax")
            return welcome
        if not self._needed:
            return None
        wanted = "Open the address that 3dcseg demo printed, with ?token= and all behind it."
        if request.url.path == "/":
            return PlainTextResponse(wanted + "\n", 401)
        return JSONResponse({"error": wanted}, 401)

    def _is_ours(self, host: str) -> bool:
        name = _split(f"//{host}").hostname or ""
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True


def _split(address: str) -> SplitResult:
    """The parts of an address; none of what is no address."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def is_known(request: Request) -> bool:
    """Whether who asks has shown the token."""
    return bool(request.scope.get(_KNOWN))


def _cookie(request: Request) -> str:
    return f"3dcseg-{(request.scope.get('server') or ('', 0))[1]}"  # ports share cookies


def _is_same(given: str | None, token: str) -> bool:
    """In the same time, however much of it is right."""
    return given is not None and secrets.compare_digest(given.encode(), token.encode())


_KNOWN = "3dcseg.known"
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
