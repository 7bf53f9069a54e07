"""Read the model id of a fine-tuned variant.

Shards depend on this module, so it imports nothing else of fine-tuning.
"""

import json
from pathlib import Path

from persona_collapse.common.errors import UserError


def made_model(path: Path) -> str:
    """Return the id of a fine-tuned variant's model, from the file that its job wrote."""
    try:
        model = json.loads(path.read_text(encoding="utf-8"))["model"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path}: holds no model id; delete it and run the same command again "
            "(paid jobs are in the store)"
        ) from None
    return str(model)
