"""How a server is reached: address, key, proxy and certificates.

Of the environment only proxies and certificates are used, as other programs use them. What the
``openai`` package would add by itself (organization, project, headers) is left out: it is no part
of the study.
"""

import os
import ssl
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import httpx2
import openai

from persona_collapse.common.errors import UserError
from persona_collapse.common.log import LOG

CHAT = "/chat/completions"
CONNECT_S = 15.0  # for a connection to come about
AZURE_PATH = "/openai/deployments/"  # its addresses take the key in a header of their own
CERTIFICATES = {"SSL_CERT_FILE": os.path.isfile, "SSL_CERT_DIR": os.path.isdir}
PROXY_SCHEMES = ("http", "https")


def address(base_url: str) -> tuple[str, dict[str, str]]:
    """Split an address into the part before its query, and the query's parameters."""
    parts = urlsplit(base_url)
    plain = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
    return plain, dict(parse_qsl(parts.query, keep_blank_values=True))


def key_headers(base_url: str, key: str | None) -> dict[str, str]:
    """Return the headers that carry the key, none without a key."""
    if not key:
        return {}
    if AZURE_PATH in f"{urlsplit(base_url).path}/":
        return {"api-key": key}
    return {"Authorization": f"Bearer {key}"}


def api_options(base_url: str, key: str | None) -> dict[str, Any]:
    """Return the arguments of an ``openai`` client that say whom it asks, and by which key."""
    plain, query = address(base_url)
    return {
        "base_url": plain,
        "default_query": query,
        "api_key": key or "none",
        "max_retries": 0,
    }


def isolate(api: openai.OpenAI | openai.AsyncOpenAI) -> None:
    """Remove from a client what it took from the environment beside its arguments."""
    api.organization = api.project = api.admin_api_key = None
    api._custom_headers = {}


def http_options(base_url: str) -> dict[str, Any]:
    """Return the arguments of an ``httpx2`` client for this address: certificates and proxy.

    Redirects are not followed: not every header that carries a key would be left out.

    Raises ``UserError`` where a variable names certificates that do not exist.
    """
    verify = _certificates() if urlsplit(base_url).scheme == "https" else True
    proxy = _proxy(base_url)
    return {"trust_env": False, "verify": verify, "proxy": proxy, "follow_redirects": False}


@cache
def _certificates() -> ssl.SSLContext | bool:
    """Return the certificates that the environment names, True (the system's) where it names none.

    The file comes before the folder, as in OpenSSL.
    """
    for name, exists in CERTIFICATES.items():
        value = os.environ.get(name)
        if not value:
            continue
        places = [value] if name == "SSL_CERT_FILE" else value.split(os.pathsep)
        found = [place for place in places if exists(place)]
        advice = f"unset the variable {name}, or set it to the certificates of this machine"
        if not found:
            raise UserError(
                f"the environment variable {name} names {value}, which does not exist; {advice}"
            )
        try:
            if name == "SSL_CERT_FILE":
                return ssl.create_default_context(cafile=found[0])
            return ssl.create_default_context(capath=found[0])
        except (ssl.SSLError, OSError) as fault:
            raise UserError(
                f"the environment variable {name} names {value}, which cannot be read as "
                f"certificates ({fault}); {advice}"
            ) from None
    return True


def _proxy(base_url: str) -> str | None:
    """Return the proxy that the environment names for an address, None where it names none.

    A server on this machine is asked directly. A proxy that cannot be used is ignored with a
    message.
    """
    parts = urlsplit(base_url)
    host, named = parts.hostname or "", getproxies()
    variable = next((name for name in (parts.scheme, "all") if named.get(name)), None)
    if variable is None or _is_local(host) or proxy_bypass(host):
        return None
    proxy = named[variable]
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    try:
        if httpx2.Proxy(url=proxy).url.scheme in PROXY_SCHEMES and urlsplit(proxy).hostname:
            return proxy
    except (ValueError, httpx2.InvalidURL):
        pass
    _ignored(f"{variable.upper()}_PROXY")
    return None


@cache
def _ignored(name: str) -> None:
    LOG.warning(
        "the environment variable %s is not the address of an http proxy, so it is ignored: "
        "servers are asked directly",
        name,
    )


def _is_local(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"
