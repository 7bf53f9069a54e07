"""API keys: read from the environment or ``.env``, never written anywhere."""

import os
from pathlib import Path

from persona_collapse.common.errors import UserError

HIDDEN = "[api key]"
SHORTEST = 6  # shorter "keys" are placeholders such as "none", common in texts


def find_key(name: str | None, base_url: str) -> str | None:
    """Return the value of the environment variable ``name``; None where no key is needed."""
    if name is None:
        return None
    from dotenv import dotenv_values

    found = os.environ.get(name) or dotenv_values(Path(".env")).get(name)
    if not found or not found.strip():
        raise UserError(
            f"{base_url}: the environment variable {name} (api_key_env) is not set; "
            f"export {name}=..., or write {name}=... into a file .env here; "
            "for a server without keys set api_key_env: null"
        )
    return found.strip()


def redacted(text: str, key: str | None) -> str:
    """Return a text with the key replaced, in case the server repeats it."""
    if not key or len(key) < SHORTEST:
        return text
    return text.replace(key, HIDDEN)
