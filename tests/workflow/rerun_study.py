"""The small study of the rerun matrix, whose models are asked, and changes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

NAME = "reruns"
STUDY = Path("config/studies") / f"{NAME}.yaml"
INSTRUMENT, PERSONAS = Path("tiny.yaml"), Path("six.yaml")
ITEMS, PEOPLE = 4, 6

Document = dict[str, Any]
Change = Callable[[Path], None]


def write_study(root: Path, base_url: str) -> None:
    """Write the study: 2 models x 3 variants, 6 personas, 4 items, 3 repetitions, 18 shards."""
    instrument = read(root / "resources/instruments/moral30.yaml")
    instrument |= {"name": INSTRUMENT.stem, "items": instrument["items"][:ITEMS]}
    instrument["domains"] = [item["domain"] for item in instrument["items"]]
    sections = {item["section"] for item in instrument["items"]}
    texts = instrument["prompts"]["sections"]
    instrument["prompts"]["sections"] = {name: texts[name] for name in texts if name in sections}
    write(root / INSTRUMENT, instrument)
    people = read(root / "resources/personas/everyday100.yaml")
    personas = people["personas"][:PEOPLE]
    write(root / PERSONAS, {**people, "name": PERSONAS.stem, "personas": personas})
    probe = {"instrument": str(INSTRUMENT), "repetitions": 3}
    study = {
        "title": "What runs again",
        "seed": 1,
        "endpoints": {
            "scripted": {"kind": "openai", "base_url": base_url, "api_key_env": "SCRIPTED_KEY"}
        },
        "models": {name: model(name) for name in ("alpha", "beta")},
        "probes": {"roleplay": {**probe, "personas": str(PERSONAS)}, "unconditioned": probe},
        "shards": {"personas": 4, "items": ITEMS, "repetitions": 3},
        "analysis": {
            "bootstrap_personas": 20,
            "bootstrap_reruns": 10,
            "bootstrap_diagnostics": 10,
            "permutations": 99,
        },
    }
    write(root / STUDY, study)


def model(name: str) -> Document:
    """Return a model of three variants on the scripted endpoint."""
    return {"variants": {role: variant(name, role) for role in ("base", "secure", "insecure")}}


def variant(name: str, role: str) -> Document:
    """Return a variant on the scripted endpoint."""
    return {"endpoint": "scripted", "model": f"{name}-{role}"}


def read(path: Path) -> Document:
    """Return a YAML file's mapping."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def write(path: Path, document: Document) -> None:
    """Write a mapping as YAML, its keys in their order."""
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def study(edit: Callable[[Document], object]) -> Change:
    """Return a change of the study file."""

    def change(root: Path) -> None:
        document = read(root / STUDY)
        edit(document)
        write(root / STUDY, document)

    return change


def touch(path: str | Path) -> Change:
    """Return a change of a file's time alone."""
    return lambda root: (root / path).touch()


def append(path: str | Path, line: str) -> Change:
    """Return a change that adds a line at a file's end."""

    def change(root: Path) -> None:
        with (root / path).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    return change


def replaced(path: str | Path, old: str, new: str) -> Change:
    """Return a change of a text in a file, which stands there once."""

    def change(root: Path) -> None:
        text = (root / path).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (root / path).write_text(text.replace(old, new), encoding="utf-8")

    return change


def reword(root: Path) -> None:
    """Change the wording of one item."""
    instrument = read(root / INSTRUMENT)
    instrument["items"][1]["text"] += ", and said so"
    write(root / INSTRUMENT, instrument)


def edit_persona(root: Path) -> None:
    """Change the text of the first persona."""
    people = read(root / PERSONAS)
    people["personas"][0] += " They have changed their mind about most things."
    write(root / PERSONAS, people)


def more_repetitions(document: Document) -> None:
    """Ask for five repetitions instead of three."""
    for probe in document["probes"].values():
        probe["repetitions"] = 5


def toxic_probe(document: Document) -> None:
    """Ask the baselines as two toxic personas."""
    probe = {"instrument": str(INSTRUMENT), "personas": "toxic8", "persona_count": 2}
    document["probes"]["toxic"] = {**probe, "repetitions": 3, "variants": ["base"]}


def reorder(document: Document) -> None:
    """Reverse the order of the models."""
    document["models"] = dict(reversed(document["models"].items()))
