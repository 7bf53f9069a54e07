"""Files of figures are reproducible."""

from __future__ import annotations

from pathlib import Path

import matplotlib

from persona_collapse.figures.planes import robustness_map
from persona_collapse.figures.style import save, style
from tests.helpers.figures_data import look_of, metrics_of


def test_files_are_reproducible_whatever_the_users_settings(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with style():
            save(robustness_map(metrics_of(4, 3), look_of(4, 3)), tmp_path / name / "map")
        matplotlib.rcParams.update({"font.size": 20, "axes.grid": True, "svg.fonttype": "none"})
    matplotlib.rcdefaults()
    for form in ("svg", "pdf", "png"):
        first, second = (tmp_path / name / f"map.{form}" for name in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()
        assert first.stat().st_size > 1000
    assert b"<dc:date>" not in (tmp_path / "one" / "map.svg").read_bytes()
