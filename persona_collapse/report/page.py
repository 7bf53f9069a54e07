"""The report page: one self-contained HTML file, built from tables and figures alone."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError
from persona_collapse.figures.look import Look
from persona_collapse.report import packed
from persona_collapse.report.answer import answer_of, asked
from persona_collapse.report.cautions import cautions_of
from persona_collapse.report.explorer import explorer_of, game_of, map_of, marks_of
from persona_collapse.report.forms import FORMS, printed_tables
from persona_collapse.report.glossary import TERMS, terms_in
from persona_collapse.report.methods import BIBTEX, methods_of
from persona_collapse.report.pictures import ROOT_STYLE, picture
from persona_collapse.report.printed import MIXED, Column, PrintedTable
from persona_collapse.report.rendering import render
from persona_collapse.report.replies import reader_of
from persona_collapse.report.sections import LABELS, PARTS, SECTIONS
from persona_collapse.report.verdicts import verdicts_of
from persona_collapse.tables import Table, contract, read

MOST_PDF = 500_000  # bytes of all PDFs in the page
LARGEST_CSV = 250_000  # bytes of a table that figures alone are drawn from
MOST_ROWS = 400  # a longer table is left out of the page
NO_ANSWERS: dict[str, Any] = {"probes": [], "units": []}
UNPRINTED = ("personas", "persona_map", "persona_runs")  # they have a row per persona


def build_page(
    output: str | Path,
    *,
    tables: Sequence[str | Path],
    figures: Sequence[Mapping[str, Any]],
    look: Look,
    provenance: str | Path,
    headlines: str | Path | None = None,
    answers: str | Path | None = None,
    replies: str | Path | None = None,
) -> None:
    """Write the page.

    ``tables`` are CSV files of ``tables/``; ``metrics`` is required, every other one is optional.
    ``figures`` have ``stem`` (path without ending), ``title``, ``alt``, ``caption``, ``section``, a
    key of ``sections.SECTIONS``, ``evidence``, the place right below the verdict, or None, and
    ``tables``, the names of those that it is drawn from. The heading of a figure is what it finds
    (``pictures.picture``), or else its title. ``answers`` is the file of all answers
    (``answers.packed_answers``), ``replies`` that of judged replies (``replies.packed_replies``).
    Sections without tables and figures are left out.

    Raises:
        UserError: a file is missing or unreadable.
    """
    files = {Path(path).stem: Path(path) for path in tables}
    # Tables with a form of their own first, in the order of the forms.
    paths = {name: files[name] for name in (*FORMS, *sorted(files)) if name in files}
    if "metrics" not in paths:
        raise UserError(f"{output}: the page needs tables/metrics.csv among its tables")
    contracts = {name: contract(name) for name in paths}
    frames = {name: read(contracts[name], path) for name, path in paths.items()}
    printed = {
        name: printed_tables(contracts[name], frame, look, frames.get("influence"))
        for name, frame in frames.items()
        if name not in UNPRINTED
    }
    facts = _json(Path(provenance))
    headline = _json(Path(headlines)) if headlines else {}
    simulated = any(table.simulated for group in printed.values() for table in group)
    mixed = any(table.mixed_backends for group in printed.values() for table in group)
    verdicts = frames.get("verdict")
    answer = "S and R of every variant; no verdict"
    if verdicts is not None and not verdicts.is_empty():
        answer = answer_of(verdicts, look)
    evidence = sorted((f for f in figures if f["evidence"]), key=lambda f: int(f["evidence"]))
    numbers = {"figure": 0, "table": 0}
    shown = [_figure(figure, numbers) for figure in evidence]
    folded = [figure for figure in figures if not figure["evidence"]]
    sections = _sections(printed, contracts, folded, look, numbers)
    pictures = [*shown, *(figure for part in sections.values() for figure in part["figures"])]
    csv = {table["csv"]: None for part in sections.values() for table in part["tables"]}
    csv |= {
        name: None
        for figure in pictures
        for name in figure["tables"]
        if name in paths and paths[name].stat().st_size <= LARGEST_CSV
    }
    labels, marks = {model.key: model.label for model in look.models}, marks_of(look)
    single = packed.read(answers) if answers else NO_ANSWERS
    # What each interactive part shows; None where the study has nothing for it.
    data = {
        "explorer": explorer_of(single, look, verdicts),
        "map": map_of(frames.get("persona_map"), frames["metrics"], look),
        "game": game_of(single, frames.get("identification"), look),
        "replies": None if replies is None else reader_of(replies, labels, marks),
    }
    parts = {name: data[name] for name in PARTS if data[name] is not None}
    values = {
        "glossary": TERMS,
        "study": facts["study"],
        "look": look,
        "marks": marks,
        "simulated": simulated,
        "mixed": MIXED if mixed else "",
        "cautions": cautions_of(frames.get("quality"), look),
        "labels": LABELS,
        "headings": PARTS,
        "answer": answer,
        "asked": asked(frames.get("quality"), look),
        "verdicts": verdicts_of(look, frames, headline.get("verdicts", ())),
        "evidence": shown,
        "pdf": _pdfs(pictures),
        "root_style": ROOT_STYLE,
        "sections": sections,
        "csv": csv,
        "packed_csv": packed.as_text(
            {name: paths[name].read_text(encoding="utf-8") for name in csv}
        ),
        "methods": methods_of(look, facts, frames["metrics"], simulated),
        "bibtex": BIBTEX,
        "provenance": facts,
    }
    page = render(values, parts, absent=PARTS.keys() - parts)
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    Path(output).write_text(page, encoding="utf-8")


def _sections(
    printed: Mapping[str, Sequence[PrintedTable]],
    contracts: Mapping[str, Table],
    figures: Sequence[Mapping[str, Any]],
    look: Look,
    numbers: dict[str, int],
) -> dict[str, dict[str, Any]]:
    """Return figures and tables by section, numbered on in the order of the page."""
    sections: dict[str, dict[str, Any]] = {}
    for section in SECTIONS:
        pictures = [_figure(f, numbers) for f in figures if f["section"] == section.key]
        shown = []
        for name, group in printed.items():
            for table in group:
                if table.section == section.key and len(table.rows) <= MOST_ROWS:
                    numbers["table"] += 1
                    shown.append(_table(table, contracts[name], numbers["table"], look))
        if pictures or shown:
            heading = section.heading
            sections[section.key] = {
                "section": section,
                "heading": look.qualified(heading) if section.qualified else heading,
                "figures": pictures,
                "tables": shown,
            }
    return sections


def _figure(figure: Mapping[str, Any], numbers: dict[str, int]) -> dict[str, Any]:
    numbers["figure"] += 1
    shown = picture(figure["stem"], numbers["figure"])
    return {
        **figure,
        "number": numbers["figure"],
        "name": Path(figure["stem"]).name,
        "picture": shown,
        "finding": shown.finding or f"{figure['title']}.",
    }


def _pdfs(figures: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return PDFs of figures as text, by name: of evidence, then of others, while there is room."""
    files = {figure["name"]: Path(f"{figure['stem']}.pdf") for figure in figures}
    folded = {figure["name"]: not figure["evidence"] for figure in figures}
    sizes = {name: path.stat().st_size for name, path in files.items() if path.is_file()}
    found, room = {}, MOST_PDF
    for name in sorted(sizes, key=lambda name: (folded[name], sizes[name])):
        if sizes[name] <= room:
            room -= sizes[name]
            found[name] = packed.encoded(packed.compressed(files[name].read_bytes()))
    return found


def _table(table: PrintedTable, contract: Table, number: int, look: Look) -> dict[str, Any]:
    return {
        "table": table,
        "meanings": [_help(column, contract, look) for column in table.columns],
        "rows": table.printed(),
        "csv": contract.name,
        "number": number,
    }


def _help(column: Column, contract: Table, look: Look) -> str:
    """Return what a printed column means: its columns of the CSV file, and terms in its heading."""
    ends = ("_lo", "_hi") if column.kind == "range" else ("",)
    meaning = " ".join(contract.columns[f"{column.csv}{end}"].meaning for end in ends)
    terms = (f"{term}: {TERMS[term]}" for term in terms_in([column.heading]))
    return " ".join([look.worded(meaning).replace("`", ""), *terms])


def _json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise UserError(f"{path}: not a readable JSON file ({fault}); make it again") from None
    return content
