"""The results of finished fine-tunes: the model's id, and loss curves."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.files import write_atomically
from persona_collapse.finetuning.orders import Order
from persona_collapse.tables.contracts.losses import TABLE

# One fine-tune's own curve; the table of all puts model and variant before it.
LOSS_COLUMNS = {
    name: kind for name, kind in TABLE.schema.items() if name not in ("model", "variant")
}


def write_made(order: Order, end: dict[str, Any], made: Path, losses: Path) -> None:
    """Write the result of an order, and its loss curve (``LOSS_COLUMNS``, by increasing step).

    ``end`` is the journal's last entry: writing the files again gives the same files.
    """
    document = {
        "model": end["model"],
        "key": order.key,
        "job": end["id"],
        "endpoint": order.base_url,
        "base": order.base,
        "dataset": {"name": order.dataset, "sha256": order.sha256, "git_blob": order.git_blob},
        "recipe": {"name": order.recipe, **order.hyperparameters},
        "seed": order.seed,
        "attempt": order.attempt,
        "trained_tokens": end["trained_tokens"],
        "checkpoints": end["checkpoints"],
        "created_at": _time(end["created_at"]),
        "finished_at": _time(end["finished_at"]),
        "simulated": order.simulated,
    }
    rows = [[*row, order.simulated] for row in end["losses"]]
    frame = pl.DataFrame(rows, schema=LOSS_COLUMNS, orient="row")
    losses.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(losses)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    write_atomically(made, text.encode())


def _time(seconds: int | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def losses_of(curves: Sequence[tuple[str, str, Path]]) -> pl.DataFrame:
    """Return one row per training step reported by a server, in the order of the curves.

    ``curves`` are model, variant and the Parquet file beside the model's id. ``train_loss`` is in
    nats per token, ``train_accuracy`` the share of tokens predicted, null where unknown.
    """
    frames = [
        pl.read_parquet(path).select(
            pl.lit(model).alias("model"), pl.lit(variant).alias("variant"), pl.all()
        )
        for model, variant, path in curves
    ]
    return pl.concat([pl.DataFrame(schema=TABLE.schema), *frames])
