"""A server's list of models: whether a model is in it, the nearest names, and where the list is."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2

from persona_collapse.asking.connection import address, http_options, key_headers
from persona_collapse.common.network import answered

LIST_TIMEOUT_S = 20.0
SHORT_LIST, NEAREST = 6, 3  # as many names are all named; of longer lists the nearest
LONGEST_NAME = 100
# Paths at which servers have their API.
USUAL_PATHS = ("/v1", "/api/v1", "/openai/v1", "/v1beta/openai", "")
# Servers that fill what a request leaves out from the model's files, as ``owned_by`` names them.
FILLING_SERVERS = ("vllm", "sglang")
NO_MODEL = re.compile(
    r"model\b.{0,120}\b(?:not (?:found|exist|available|supported)|unknown|invalid|no such)"
    r"|(?:no such|unknown|invalid|no|not a valid) model|model_not_found"
    r"|does not (?:exist|have the model)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Listed:
    """What ``GET /models`` says of a model; None where the server has no list, or does not say."""

    found: bool | None = None
    shutdown_date: str | None = None
    owner: str | None = None
    names: tuple[str, ...] = ()

    def offered(self, model: str) -> str:
        """Return the nearest names of the list, or all of a short one: "it has a, b"."""
        if not self.names:
            return "its list of models is empty"
        if len(self.names) <= SHORT_LIST:
            return f"it has {', '.join(self.names)}"
        near = closest(model, self.names)
        some = f"; the nearest are {', '.join(near)}" if near else ""
        return f"it has {len(self.names)} others{some}"


def closest(name: str, names: Sequence[str]) -> list[str]:
    """Return up to three names: those that hold the name or its last part, then similar ones."""
    last = name.rpartition("/")[2].lower()
    holding = [other for other in names if last in other.lower()]
    similar = difflib.get_close_matches(name, names, n=NEAREST, cutoff=0.4)
    return list(dict.fromkeys([*sorted(holding, key=len), *similar]))[:NEAREST]


def look_up(base_url: str, model: str, key: str | None) -> Listed:
    """Look up a model in the server's list."""
    entries = _entries(base_url, key)
    if entries is None:
        return Listed()
    found = [entry for entry in entries if entry.get("id") == model]
    owners = {str(entry.get("owned_by")) for entry in entries}
    names = dict.fromkeys(str(entry.get("id"))[:LONGEST_NAME] for entry in entries)
    day = found[0].get("shutdown_date") if found else None
    owner = next((name for name in FILLING_SERVERS if name in owners), None)
    return Listed(bool(found), str(day) if day else None, owner, tuple(names))


def right_address(base_url: str, key: str | None) -> str | None:
    """Return the address of the API on the same host, where it has one at a usual path."""
    parts = urlsplit(base_url)
    here = parts.path.rstrip("/")
    for path in dict.fromkeys([f"{here}/v1", *USUAL_PATHS]):
        other = urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))
        if path != here and _entries(other, key) is not None:
            return other
    return None


def missing(base_url: str, model: str, key: str | None, where: str, failure: str) -> str:
    """Return what to do about a failure that says that a model or an address does not exist.

    ``where`` is the place of the model's name in the study file. Empty for other failures, and
    where the server's lists say nothing.
    """
    if not NO_MODEL.search(failure) and answered(404) not in failure:
        return ""
    listed = look_up(base_url, model, key)
    if listed.found is False:
        offered = listed.offered(model)
        return f"The name is not in the server's list of models: {offered}. Correct {where}"
    if listed.found is None and (other := right_address(base_url, key)):
        return f"The API of this server is at another address: base_url: {other}"
    return ""


def _entries(base_url: str, key: str | None) -> list[dict[str, Any]] | None:
    """Return the entries of a server's list of models, None where it has none."""
    plain, query = address(base_url)
    try:
        with httpx2.Client(**http_options(base_url), timeout=LIST_TIMEOUT_S) as http:
            reply = http.get(f"{plain}/models", params=query, headers=key_headers(base_url, key))
        entries = reply.json()["data"]
    except (httpx2.HTTPError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(entries, list):
        return None
    return [entry for entry in entries if isinstance(entry, dict)]
