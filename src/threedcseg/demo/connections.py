"""Connections, none of which may keep others out: neither by number nor by being slow."""

import asyncio
import ipaddress

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_OF_CLIENT = 48  # connections; a browser opens six for a page
IDLE_SECONDS = 15.0
END_SECONDS = 0.5


def client_of(address: tuple[str, int] | None) -> str | None:
    """Who calls, for limits: an IPv4 address, or a network of IPv6, which is one household's.

    None for this machine itself: its user, or a proxy that stands for many.

    >>> client_of(("2001:db8::17", 5000))
    '2001:db8::/64'
    """
    try:
        ip = ipaddress.ip_address(address[0].partition("%")[0] if address else "")
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return None if ip.is_loopback else str(ipaddress.ip_network((int(ip) >> 64 << 64, 64)))
        ip = ip.ipv4_mapped
    return None if ip.is_loopback else str(ip)


class Connection(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, closed where a client has many or sends no request.

    uvicorn waits for ever for the rest of a request's head, and at its end for whoever is slow to
    send or to take.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        client = _client(self)
        num_theirs = sum(_client(other) == client for other in self.connections)
        if client is not None and num_theirs > MAX_OF_CLIENT:
            transport.abort()
            return
        self.loop.call_later(IDLE_SECONDS, self._expect_more_than, (None, True))

    def shutdown(self) -> None:
        super().shutdown()
        self.loop.call_later(END_SECONDS, self.transport.abort)

    def _expect_more_than(self, last: tuple[object, bool]) -> None:
        """Close if the latest request is ``last`` still, and done."""
        if self.transport.is_closing():
            return
        done = self.cycle is None or self.cycle.response_complete
        if done and last == (self.cycle, done):
            self.transport.abort()
            return
        self.loop.call_later(IDLE_SECONDS, self._expect_more_than, (self.cycle, done))


def _client(connection: object) -> str | None:
    return client_of(getattr(connection, "client", None))
