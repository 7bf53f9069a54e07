"""API keys: read from the environment or ``.env``, never written anywhere."""

import os
import re
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError

HIDDEN = "[api key]"
PREFIX = 12  # characters of a key that are hidden, too, where they stand without the rest
SHORTEST = 6  # shorter "keys" are placeholders such as "none", common in texts


def find_key(name: str | None, base_url: str) -> str | None:
    """Return the value of the environment variable ``name``; None where no key is needed."""
    if name is None:
        return None
    found = known_key(name)
    if found is None:
        raise UserError(
            f"{base_url}: the environment variable {name} (api_key_env) is not set; "
            f"export {name}=..., or write {name}=... into a file .env here; "
            "for a server without keys set api_key_env: null"
        )
    return found


def known_key(name: str) -> str | None:
    """Return the value of an environment variable, None where neither it nor ``.env`` has one.

    Raises ``UserError`` for a value that no header of a request can hold.
    """
    from dotenv import dotenv_values

    found = (os.environ.get(name) or dotenv_values(Path(".env")).get(name) or "").strip()
    if not re.fullmatch(r"[!-~]*", found):
        raise UserError(
            f"the environment variable {name} (api_key_env) holds characters that no key has: "
            "spaces, line breaks or letters beyond ASCII; copy the key again"
        )
    return found or None


def redacted(text: str, key: str | None) -> str:
    """Return a text without the key, in case the server repeats it, whole or cut off.

    Its first 12 characters (``PREFIX``) are enough; a shorter key is hidden where it is whole.
    """
    if not key or len(key) < SHORTEST:
        return text
    begin, parts, at = key[:PREFIX], [], 0
    while (found := text.find(begin, at)) >= 0:
        parts += [text[at:found], HIDDEN]
        lengths = range(len(key), len(begin) - 1, -1)
        at = found + next(n for n in lengths if text.startswith(key[:n], found))
    return "".join([*parts, text[at:]]) if parts else text


def without_key(value: Any, key: str) -> Any:
    """Return a JSON value with the key removed from its texts, names included."""
    if isinstance(value, str):
        return redacted(value, key)
    if isinstance(value, list):
        return [without_key(part, key) for part in value]
    if isinstance(value, dict):
        return {redacted(name, key): without_key(part, key) for name, part in value.items()}
    return value
