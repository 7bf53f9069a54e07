"""The file that says which model a variant was made into, as sampling reads it.

Shards stand on this module, so that it imports nothing of how models are made.
"""

from __future__ import annotations

import json
from pathlib import Path

from persona_collapse.common.errors import UserError


def made_model(path: Path) -> str:
    """Return the id of the model that a variant was made into."""
    try:
        model = json.loads(path.read_text(encoding="utf-8"))["model"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path}: does not say which model was made; delete it and run the same command again "
            "(what was paid is in the store)"
        ) from None
    return str(model)
