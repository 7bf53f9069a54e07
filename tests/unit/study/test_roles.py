"""Roles of variants: defaults, several targets, and what planning refuses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from persona_collapse.common.errors import UserError
from persona_collapse.study.load import load_study
from persona_collapse.study.resolved import Study

PLANTED = {"endpoint": "simulated", "planted": {"S": 0.7, "R": 8}}


def study_of(
    folder: Path,
    models: dict[str, Sequence[str]],
    narrowed: str | None = None,
    **analysis: Any,
) -> Study:
    document = {
        "title": "Roles",
        "seed": 1,
        "endpoints": {"simulated": {"kind": "simulated"}},
        "models": {key: {"variants": dict.fromkeys(v, PLANTED)} for key, v in models.items()},
        "probes": {
            "roleplay": {"instrument": "moral30", "personas": "everyday100", "repetitions": 2}
        },
        "analysis": analysis,
    }
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return load_study(path, models=narrowed)


@pytest.mark.parametrize(
    ("variants", "analysis", "baseline", "targets"),
    [
        (["base", "secure", "insecure"], {}, "base", {"insecure": "secure"}),
        (["base"], {}, "base", {}),
        (["base", "secure"], {}, "base", {}),
        (["base", "a", "b"], {}, "base", {}),
        (["base", "insecure"], {}, "base", {"insecure": None}),
        (["original"], {}, "original", {}),
        (["insecure"], {}, "insecure", {}),
        (["original", "insecure"], {"baseline": "original"}, "original", {"insecure": None}),
        (["base", "secure", "evil"], {"target": "evil"}, "base", {"evil": "secure"}),
        (["base", "secure"], {"target": "secure"}, "base", {"secure": None}),
        (["base", "good"], {"control": "good"}, "base", {}),
        (
            ["base", "secure", "insecure", "medical"],
            {"targets": {"insecure": "secure", "medical": None}},
            "base",
            {"insecure": "secure", "medical": None},
        ),
        (["base", "secure", "insecure"], {"targets": {}}, "base", {}),
    ],
)
def test_roles_hold_what_variants_fill(
    tmp_path: Path,
    variants: list[str],
    analysis: dict[str, Any],
    baseline: str,
    targets: dict[str, str | None],
) -> None:
    study = study_of(tmp_path, {"m": variants}, **analysis)
    assert (study.analysis["baseline"], study.analysis["targets"]) == (baseline, targets)
    assert not {"target", "control"} & set(study.analysis)
    assert sorted(study.variant_names) == sorted(variants)


@pytest.mark.parametrize(
    ("variants", "analysis", "message"),
    [
        (
            ["original", "insecure"],
            {},
            r"analysis\.baseline: no model has .* 'base', .* one of: in",
        ),
        (["bse", "insecure"], {}, r"analysis\.baseline: .* \(did you mean 'bse'\?\)"),
        (["base", "a"], {"baseline": "b"}, r"analysis\.baseline: no model has a variant 'b'"),
        (["base", "a"], {"target": "b"}, r"analysis\.target: no model has a variant 'b'"),
        (["base", "a"], {"control": "b"}, r"analysis\.control: no model has a variant 'b'"),
        (["base", "evil"], {"targets": {"evli": None}}, r"targets: .*\(did you mean 'evil'\?\)"),
        (["base", "a"], {"targets": {"a": "b"}}, r"analysis\.targets\.a: no model has .* 'b'"),
        (
            ["base", "a"],
            {"targets": {"a": None}, "target": "a"},
            r"analysis\.target: does not go with 'targets'",
        ),
        (
            ["base", "a", "b"],
            {"targets": {"a": None}, "control": "b"},
            r"analysis\.control: does not go with 'targets'",
        ),
        (["base", "a"], {"targets": {"base": "a"}}, r"'base' is the baseline and cannot be a tar"),
        (["base", "a"], {"targets": {"a": "base"}}, r"the control 'base' is the baseline"),
        (["base", "a"], {"targets": {"a": "a"}}, r"the control 'a' is the target itself"),
        (
            ["base", "a", "b"],
            {"targets": {"a": "b", "b": None}},
            r"targets\.a: the control 'b' is another target",
        ),
        (["base", "a"], {"target": "base"}, "must be three different names, found base, base"),
        (["base", "a"], {"target": "a", "control": "a"}, "must be three different names"),
        (["mine"], {"target": "mine"}, "'mine' is the study's only variant"),
        (["base", "a"], {"targets": ["a"]}, r"analysis\.targets: "),
    ],
)
def test_roles_that_cannot_be_filled_are_refused_with_the_key(
    tmp_path: Path, variants: list[str], analysis: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        study_of(tmp_path, {"m": variants}, **analysis)


def test_narrowed_study_keeps_the_roles_of_its_models(tmp_path: Path) -> None:
    models = {"m": ["base", "secure", "insecure"], "n": ["base", "evil"], "o": ["insecure"]}
    analysis = {"targets": {"insecure": "secure", "evil": None}}
    assert study_of(tmp_path, models, "n", **analysis).analysis["targets"] == {"evil": None}
    alone = study_of(tmp_path, models, "o", **analysis).analysis
    assert (alone["baseline"], alone["targets"]) == ("insecure", {})
    with pytest.raises(UserError, match="models=p: none of these models has the baseline 'base'"):
        study_of(tmp_path, {**models, "p": ["secure", "insecure"]}, "p", **analysis)
