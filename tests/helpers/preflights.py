"""A preflight's table and findings."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from persona_collapse.commands import preflight as command
from persona_collapse.commands.findings import Finding
from persona_collapse.commands.probes import COLUMNS, Canary


def preflight(
    canaries: Sequence[Canary], baseline: str, allow_mixed_backends: bool = False
) -> tuple[pl.DataFrame, list[Finding]]:
    """Return the rows of ``preflight.csv`` and the findings, fatal ones first."""
    tried, findings = command.preflight(canaries, baseline, allow_mixed_backends)
    return pl.DataFrame([one.row for one in tried], schema=COLUMNS), findings
