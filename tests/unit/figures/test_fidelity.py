"""Persona fidelity draws personas, their fidelities and the pooled value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from persona_collapse.figures.fidelity import persona_fidelity
from persona_collapse.figures.marks import Row, with_interval
from persona_collapse.figures.style import save
from tests.helpers.figures_data import axes_of, look_of, whiskers_of, words_of
from tests.helpers.figures_tables import diagnostics_of, fidelity_of, personas_of


def asked(diagnostics: pl.DataFrame, start: str) -> list[Row]:
    chosen = diagnostics.filter(
        pl.col("measure").str.starts_with(start), probe="roleplay", domain="overall"
    )
    return list(chosen.iter_rows(named=True))


def test_fidelity_points_are_personas_under_baseline_and_variant() -> None:
    personas, fidelity, diagnostics = personas_of(2, 3), fidelity_of(2, 3), diagnostics_of(2, 3)
    figure = persona_fidelity(personas, fidelity, diagnostics, look_of(2, 3))
    for model in ("m0", "m1"):
        for variant in ("secure", "insecure"):
            name = f"{model} {variant}"
            axes = axes_of(figure, f"{name} scatter")
            assert axes.get_xlim() == axes.get_ylim()
            (points,) = (line for line in axes.lines if line.get_label() == name)
            means = {
                (row["variant"], row["persona_id"], row["domain"]): row["mean"]
                for row in personas.filter(model=model).iter_rows(named=True)
            }
            shared = [key[1:] for key in means if key[0] == variant]
            assert len(shared) == (95 if name == "m0 secure" else 100)
            expected = []
            for persona, domain in shared:
                peers = [p for p, f in shared if f == domain]
                expected.append(
                    [
                        means[v, persona, domain]
                        - np.mean([means[v, peer, domain] for peer in peers])
                        for v in ("base", variant)
                    ]
                )
            drawn = sorted(points.get_xydata().tolist())
            assert np.allclose(drawn, sorted(expected))


def test_strip_has_every_persona_and_the_pooled_interval() -> None:
    fidelity, diagnostics = fidelity_of(2, 3), diagnostics_of(2, 3)
    figure = persona_fidelity(personas_of(2, 3), fidelity, diagnostics, look_of(2, 3))
    words = " ".join(words_of(figure))
    for row in asked(diagnostics, "fidelity"):
        name = f"{row['model']} {row['variant']}"
        axes = axes_of(figure, f"{name} strip")
        lines = {line.get_label(): np.asarray(line.get_xdata()).tolist() for line in axes.lines}
        own = fidelity.filter(model=row["model"], variant=row["variant"])["fidelity"].drop_nulls()
        assert lines[f"{name} personas"] == own.to_list()
        assert len(own) == 19
        assert lines[f"{name} median"] == pytest.approx([own.median()])
        quartiles = [own.quantile(share, "linear") for share in (0.25, 0.75)]
        assert lines[f"{name} quartiles"] == pytest.approx(quartiles)
        ((low, _, high, _),) = whiskers_of(axes, f"{name} fidelity")
        assert (low, high) == pytest.approx((row["lo"], row["hi"]))
        assert axes.get_xlim()[0] < min(own.to_list())
        assert axes.get_xlim()[1] > row["hi"]
        assert with_interval(row) in words


def test_points_are_drawn_when_fidelity_is_undefined() -> None:
    undefined = pl.col("measure") == "fidelity"
    diagnostics = diagnostics_of(1, 2).with_columns(
        pl.when(undefined).then(None).otherwise(name).alias(name) for name in ("value", "lo", "hi")
    )
    fidelity = fidelity_of(1, 2).with_columns(fidelity=pl.lit(None, pl.Float64))
    figure = persona_fidelity(personas_of(1, 2), fidelity, diagnostics, look_of(1, 2))
    assert not axes_of(figure, "m0 secure strip").lines
    assert any(
        line.get_label() == "m0 secure" for line in axes_of(figure, "m0 secure scatter").lines
    )
    assert "fidelity n/a" in words_of(figure)


def test_points_are_rasterized_only_when_there_are_many(tmp_path: Path) -> None:
    for models, pixels in ((1, False), (2, True)):
        tables = personas_of(models, 3, 5, 100), fidelity_of(models, 3, 100)
        figure = persona_fidelity(*tables, diagnostics_of(models, 3), look_of(models, 3))
        save(figure, tmp_path / f"{models}")
        assert (b"<image" in (tmp_path / f"{models}.svg").read_bytes()) is pixels
        assert axes_of(figure, "m0 secure scatter").lines[-1].get_rasterized() is pixels
