"""Keep the answers of large files as Parquet, so that they are read once for all shards."""

import fcntl
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.hashing import digest, file_sha256, sha256
from persona_collapse.layouts.design import Design
from persona_collapse.layouts.reading import Outcome, read_answers

ABOUT, KEY = "outcome", "key"  # of the Parquet file's metadata


def kept_answers(
    kept: Path, paths: Sequence[Path], keys: Mapping[str, Any], pattern: str | None, design: Design
) -> tuple[pl.LazyFrame, Outcome]:
    """Return what ``read_answers`` returns, from the file ``kept`` if that holds it.

    The file goes by the content of everything that the answers depend on: files, layout, texts of
    the design, and the code that reads. One process reads while others wait for it.
    """
    kept.parent.mkdir(parents=True, exist_ok=True)
    wanted = digest(_behind(paths, keys, pattern, design))
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        about = pl.read_parquet_metadata(kept) if kept.is_file() else {}
        if about.get(KEY) != wanted:
            frame, outcome = read_answers(paths, keys, pattern, design)
            about = {KEY: wanted, ABOUT: json.dumps(asdict(outcome))}
            part = kept.with_suffix(".part")
            frame.write_parquet(part, compression="zstd", metadata=about)
            part.replace(kept)
            del frame
    return pl.scan_parquet(kept), Outcome(**json.loads(about[ABOUT]))


def _behind(
    paths: Sequence[Path], keys: Mapping[str, Any], pattern: str | None, design: Design
) -> dict[str, Any]:
    instrument, personas = design.instrument, design.personas
    scale = instrument.scale
    return {
        "files": [
            [path.name if pattern is None else str(path), file_sha256(path)] for path in paths
        ],
        "layout": keys,
        "pattern": pattern,
        "repetitions": design.repetitions,
        "scale": [scale.minimum, scale.maximum],
        "items": [[item.id, item.code, item.text] for item in instrument.items],
        "questions": instrument.digest(0, instrument.size),
        "personas": personas and personas.digest(0, personas.size),
        "code": sha256(
            b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
        ),
    }
