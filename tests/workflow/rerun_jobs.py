"""The jobs, requests and answers that a change to a finished study is expected to cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.workflow.rerun_study import Change

UNIT_RULES = {"answer_shard": "shards", "measure_unit": "units"}
PAGE_RULES = ("render_table", "provenance", "pack_answers", "report_page")


@dataclass(frozen=True)
class Rules:
    """Rules of a group that run: all but some, with some that the change adds; or only some.

    ``only`` counts the jobs of each rule; None: as many as a first run has.
    """

    but: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    only: dict[str, int] | None = None

    def counts(self, first: dict[str, int]) -> dict[str, int]:
        """Return the jobs of each rule, given those of the first run."""
        if self.only is not None:
            return self.only
        return {
            **{rule: count for rule, count in first.items() if rule not in self.but},
            **dict.fromkeys(self.more, 1),
        }

    def __str__(self) -> str:
        if self.only is not None:
            return ", ".join(_counted(rule, count) for rule, count in self.only.items()) or "-"
        but = f" but {', '.join(map(_short, self.but))}" if self.but else ""
        more = f" and {', '.join(map(_short, self.more))}" if self.more else ""
        return f"all{but}{more}"


def _short(rule: str) -> str:
    return rule.removeprefix("table_").removeprefix("figures_")


def _counted(rule: str, count: int) -> str:
    return _short(rule) if count == 1 else f"{_short(rule)} ({count})"


ALL = Rules()


def only(*rules: str, **counts: int) -> Rules:
    """Return these rules with one job each, or as many as given."""
    return Rules(only={**dict.fromkeys(rules, 1), **counts})


NONE = only()


@dataclass(frozen=True)
class Case:
    """A change of the finished study: the jobs that it plans, the requests and answers it pays.

    ``units`` are the jobs of ``UNIT_RULES``, in their order.
    """

    name: str
    says: str
    change: Change
    units: tuple[int, int] = (0, 0)
    tables: Rules = field(default=NONE)
    figures: Rules = field(default=NONE)
    page: Rules = field(default=NONE)
    requests: int = 0
    answers: int = 0

    def jobs(self, first: dict[str, int]) -> dict[str, int]:
        """Return the jobs of every rule, given those of the first run."""
        groups = grouped(first)
        return {
            **{rule: n for rule, n in zip(UNIT_RULES, self.units, strict=True) if n},
            **self.tables.counts(groups["tables"]),
            **self.figures.counts(groups["figures"]),
            **self.page.counts(groups["page"]),
        }


def grouped(first: dict[str, int]) -> dict[str, dict[str, int]]:
    """Sort the rules of a first run into tables, figures and page; every rule has its place."""
    groups: dict[str, dict[str, int]] = {"tables": {}, "figures": {}, "page": {}}
    for rule, count in first.items():
        if rule.startswith("table_") or rule in ("headlines", "join_table"):
            groups["tables"][rule] = count
        elif rule.startswith("figures_"):
            groups["figures"][rule] = count
        elif rule in PAGE_RULES:
            groups["page"][rule] = count
        else:
            assert rule in UNIT_RULES, f"{rule}: a rule that rerun_cases does not know"
    return groups


def table(cases: Sequence[Case]) -> str:
    """Return the table of docs/reruns.md."""
    heads = ["change", *UNIT_RULES.values(), "tables", "figures", "page", "requests", "answers"]
    rows = [
        [
            case.says,
            *(str(count or "-") for count in case.units),
            *(str(group) for group in (case.tables, case.figures, case.page)),
            str(case.requests),
            str(case.answers),
        ]
        for case in cases
    ]
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
