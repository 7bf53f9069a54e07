"""What a change to a finished study reruns and what it costs: the table of docs/reruns.md.

``python -m tests.workflow.rerun_cases`` writes it there; ``test_rerun_matrix`` checks it.
"""

from __future__ import annotations

import re
import shutil

from tests.conftest import ROOT
from tests.workflow.rerun_jobs import ALL, Case, Rules, only, table
from tests.workflow.rerun_study import (
    INSTRUMENT,
    ITEMS,
    NAME,
    PEOPLE,
    PERSONAS,
    append,
    edit_persona,
    model,
    more_repetitions,
    reorder,
    replaced,
    reword,
    study,
    touch,
    toxic_probe,
    variant,
)

PAGE = ROOT / "docs" / "reruns.md"

EVERYTHING = (18, 12)
DOWNSTREAM = {"tables": ALL, "figures": ALL, "page": ALL}
RECORD = only("provenance", "report_page")
COLLAPSE = "persona_collapse/measures/collapse.py"

CASES = [
    Case("nothing", "nothing", lambda root: None),
    Case("touch_module", "touch a module", touch(COLLAPSE)),
    Case("touch_instrument", "touch the instrument's file", touch(INSTRUMENT)),
    Case(
        "touch_script",
        "touch the script of `table_power`",
        touch("workflow/scripts/table_power.py"),
        tables=only("table_power"),
        figures=only("figures_curves"),
        page=RECORD,
    ),
    Case(
        "touch_asking_script",
        "touch the script of `answer_shard`, which asks",
        touch("workflow/scripts/answer_shard.py"),
        EVERYTHING,
        **DOWNSTREAM,
    ),
    Case(
        "edit_measure",
        "edit `measures/collapse.py`",
        append(COLLAPSE, "_ADDED = 1"),
        (0, 12),
        **DOWNSTREAM,
    ),
    Case(
        "edit_figure",
        "edit `figures/planes.py`",
        append("persona_collapse/figures/planes.py", "_ADDED = 1"),
        figures=only("figures_planes"),
        page=only("report_page"),
    ),
    Case(
        "edit_engine",
        "edit `asking/engine.py`",
        append("persona_collapse/asking/engine.py", "_ADDED = 1"),
        EVERYTHING,
        **DOWNSTREAM,
    ),
    Case(
        "reading_rule",
        "change the rule in `asking/ratings.py` by which a reply holds a rating",
        replaced("persona_collapse/asking/ratings.py", 'r"answer|rating|', 'r"answer|mark|rating|'),
        EVERYTHING,
        **DOWNSTREAM,
    ),
    Case(
        "edit_other_endpoint",
        "edit `endpoints/recorded.py`, which this study does not use",
        append("persona_collapse/endpoints/recorded.py", "_ADDED = 1"),
    ),
    Case("environment", "edit `environment.yml`", append("environment.yml", "# a new version")),
    Case(
        "reword",
        "change the wording of one item",
        reword,
        EVERYTHING,
        **DOWNSTREAM,
        requests=6 * (PEOPLE + 1),
        answers=6 * (PEOPLE + 1) * 3,
    ),
    Case(
        "persona_text",
        "change the text of one persona",
        edit_persona,
        (6, 6),
        Rules(but=("table_toxic",)),
        ALL,
        ALL,
        requests=6 * ITEMS,
        answers=6 * ITEMS * 3,
    ),
    Case(
        "max_attempts",
        "allow fewer attempts at an answer (`sampling.max_attempts`)",
        study(lambda document: document.setdefault("sampling", {}).update(max_attempts=7)),
        EVERYTHING,
        **DOWNSTREAM,
    ),
    Case(
        "model",
        "add a model of three variants",
        study(lambda document: document["models"].update(gamma=model("gamma"))),
        (9, 6),
        **DOWNSTREAM,
        requests=3 * (PEOPLE + 1) * ITEMS,
        answers=3 * (PEOPLE + 1) * ITEMS * 3,
    ),
    Case(
        "variant",
        "add a variant to one model",
        study(lambda d: d["models"]["alpha"]["variants"].update(other=variant("alpha", "other"))),
        (3, 2),
        Rules(but=("table_power",)),
        ALL,
        ALL,
        requests=(PEOPLE + 1) * ITEMS,
        answers=(PEOPLE + 1) * ITEMS * 3,
    ),
    Case(
        "persona",
        "add a persona (a line at the end of its file)",
        append(PERSONAS, "- A seventh person, who came to the study later than the others."),
        (6, 6),
        Rules(but=("table_toxic",)),
        ALL,
        ALL,
        requests=6 * ITEMS,
        answers=6 * ITEMS * 3,
    ),
    Case(
        "repetitions",
        "ask for 5 repetitions instead of 3",
        study(more_repetitions),
        EVERYTHING,
        **DOWNSTREAM,
        requests=6 * (PEOPLE + 1) * ITEMS,
        answers=6 * (PEOPLE + 1) * ITEMS * 2,
    ),
    Case(
        "probe",
        "add a probe: two toxic personas played by the baselines",
        study(toxic_probe),
        (2, 2),
        Rules(but=("table_power",)),
        ALL,
        ALL,
        requests=2 * 2 * ITEMS,
        answers=2 * 2 * ITEMS * 3,
    ),
    Case(
        "reorder",
        "reverse the order of the models",
        study(reorder),
        (0, 0),
        **DOWNSTREAM,
    ),
    Case(
        "label",
        "rename a model's label",
        study(lambda document: document["models"]["alpha"].update(label="Alpha, the first")),
        figures=ALL,
        page=Rules(but=("pack_answers",)),
    ),
    Case(
        "concurrency",
        "change concurrency, time-out, pace",
        study(
            lambda document: document["endpoints"]["scripted"].update(
                max_in_flight=5, timeout_s=20, requests_per_minute=100_000, max_n=4
            )
        ),
        page=RECORD,
    ),
    Case(
        "shards",
        "cut shards of 3 personas instead of 4",
        study(lambda document: document["shards"].update(personas=3)),
        (12, 6),
        Rules(but=("table_toxic",)),
        ALL,
        ALL,
    ),
    Case(
        "seed",
        "change the study's seed",
        study(lambda document: document.update(seed=2)),
        (0, 12),
        **DOWNSTREAM,
    ),
    Case(
        "delete_table",
        "delete `tables/fidelity.csv`",
        lambda root: (root / "results" / NAME / "tables" / "fidelity.csv").unlink(),
        tables=only("table_diagnostics_fidelity"),
        figures=only("figures_fidelity"),
        page=RECORD,
    ),
    Case(
        "delete_results",
        "delete `results/` altogether",
        lambda root: shutil.rmtree(root / "results"),
        EVERYTHING,
        **DOWNSTREAM,
    ),
]


def with_table(text: str) -> str:
    """Return the page's text with its table written anew."""
    before, after = re.split(r"^\|.*\|\n(?:\|.*\|\n)*", text, flags=re.M)
    return before + table(CASES) + after


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
