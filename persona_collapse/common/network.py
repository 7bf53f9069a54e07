"""Say in words why a server could not be reached, and what it sent instead of an answer."""

import errno
import html
import http
import re
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from persona_collapse.common.secrets import masked

PORTS = {"http": 80, "https": 443}
NO_ROUTE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN)
# Servers that were asked for TLS and answered in plain text, in OpenSSL's words.
NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")
NO_HOST = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
LONGEST_TITLE = 80


def answered(status: int) -> str:
    """Return a status of HTTP with its meaning: ``HTTP 404 (Not Found)``."""
    try:
        return f"HTTP {status} ({http.HTTPStatus(status).phrase})"
    except ValueError:  # one that is in no standard
        return f"HTTP {status}"


def unreachable(
    fault: BaseException, url: str, proxy: str | None = None, seconds: float | None = None
) -> str | None:
    """Return why no connection came about, with the address; None where it failed later.

    See ``reason``.
    """
    why = reason(fault, url, proxy, seconds)
    return None if why is None else f"cannot connect to {place(url)}: {why}"


def reason(
    fault: BaseException, url: str, proxy: str | None = None, seconds: float | None = None
) -> str | None:
    """Return why no connection came about, None where one did and failed later.

    ``fault`` is what a client raised, with its causes. ``proxy`` is the address of the proxy that
    the client was given, ``seconds`` its time limit for a connection. No text holds a password or
    the query of an address.
    """
    links = list(_chain(fault))
    names = {type(link).__name__ for link in links}
    asked = proxy or url
    why = next((words for link in links if (words := _why(link, asked))), None)
    if why is None and names & {"ProxyError", "ClientHttpProxyError"}:
        why = f"it refuses: {next(str(link) for link in links if str(link))}"
    elif why is None and names & {"ConnectTimeout", "ConnectionTimeoutError"} and not _lost(links):
        limit = f"within {seconds:g} s" if seconds else "in time"
        why = f"no connection {limit}; is that the right host and port, and open to this machine?"
    return f"by the proxy {place(proxy)}: {why}" if why and proxy else why


def _why(link: BaseException, url: str) -> str | None:
    """Return what one exception says about the way to an address, None if it says nothing."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
    if isinstance(link, socket.gaierror):
        if link.errno in NO_HOST:
            return f"there is no host {host!r}; check its spelling, and that this machine is online"
        return f"the name {host!r} could not be looked up; is this machine online?"
    told = getattr(link, "verify_message", None)  # aiohttp's errors have the type alone
    if isinstance(link, ssl.SSLCertVerificationError) and told:
        return (
            f"its certificate is not accepted ({told}); "
            "name a certificate that you trust in the environment variable SSL_CERT_FILE"
        )
    broken = getattr(link, "reason", None)
    if isinstance(link, ssl.SSLError) and isinstance(broken, str):
        if broken in NO_TLS:
            return f"port {port} there does not speak TLS: write http:// instead of https://"
        return f"TLS failed ({broken.lower().replace('_', ' ')})"
    if isinstance(link, ConnectionRefusedError):
        return f"nothing listens on port {port} there"
    if isinstance(link, OSError) and link.errno in NO_ROUTE:
        return f"there is no route to {host}; is this machine online?"
    return None


def _chain(fault: BaseException) -> Iterator[BaseException]:
    """Yield an exception, what it was raised for, and what that wraps."""
    waiting, seen = [fault], set[int]()
    while waiting:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        parts = (link.__cause__, link.__context__, getattr(link, "reason", None))
        waiting += [part for part in parts if isinstance(part, BaseException)]
        waiting += getattr(link, "exceptions", ())


def _lost(links: list[BaseException]) -> bool:
    """Return whether a connection was there: its loss is reported as a timeout, too."""
    words = ("Disconnected", "SocketTimeout")
    return any(
        isinstance(link, ConnectionError) or any(word in type(link).__name__ for word in words)
        for link in links
    )


def place(url: str | None) -> str:
    """Return an address without password, query and fragment."""
    parts = urlsplit(url or "")
    host = parts.netloc.rpartition("@")[2]
    return masked(f"{parts.scheme}://{host}{parts.path.rstrip('/')}")


def web_page(content: bytes) -> str | None:
    """Return what to call a web page, with its title; None for any other content."""
    text = content[:100_000].decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if not re.match(r"<(?:!doctype html|html|head|body|!--)", text, re.IGNORECASE):
        return None
    found = re.search(r"<title[^>]*>(.*?)</title", text, re.IGNORECASE | re.DOTALL)
    title = " ".join(html.unescape(found[1]).split())[:LONGEST_TITLE] if found else ""
    return f"a web page ({title!r})" if title else "a web page"
