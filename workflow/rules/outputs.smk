# Takes: STUDY, LAYOUT, CHECK and MAKE.
# Gives: what this study makes: its tables, figures and the files that they stand on.


def figure_files(figures):
    """Return the files of these figures in every form."""
    return [f"{figure['stem']}.{form}" for figure in figures for form in ("svg", "pdf", "png")]


def provenance_files():
    """Return every file that the study's numbers stand on: the study, resources, recorded answers."""
    recorded = [Path(path) for unit in UNITS for path in LAYOUT.endpoint_files(unit)]
    planted = [endpoint.settings.get("planted") for endpoint in STUDY.endpoints.values()]
    resources = [*instrument_files(), *persona_files(), "resources/benchmarks/prior_models.csv"]
    made = [f"{RESULTS}/{LAYOUT.made_file(*names)}" for names in LAYOUT.made]
    made += [str(data.path) for data in MAKE.datasets.values()]
    named = [
        str(STUDY.path),
        *resources,
        *map(str, recorded),
        *made,
        *filter(None, [*planted, TOXIC_PRINTED]),
    ]
    named += [str(path) for path in CHECK.files()] if CHECK else []
    return sorted(set(named))


def drawn_figures():
    """Return the figures that this study has the data for, as the page shows them."""
    there = {
        "unconditioned": bool(BARE_UNITS),
        "toxic": any(toxic_moments(BARE_UNITS)),
        "logprobs": bool(LOGPROB_UNITS),
        "steps": bool(STUDY.steps()),
        "misalignment": CHECK is not None,
        "coherence_loss": CHECK_LOSS_DRAWN,
        "made": bool(LAYOUT.made),
    }
    known = read_yaml(Path("workflow/report/figures.yaml"))
    return [
        {"stem": f"{RESULTS}/figures/{name}", **{k: v for k, v in figure.items() if k != "needs"}}
        for name, figure in known.items()
        if there.get(figure.get("needs"), True)
    ]


# Variants other than the baseline, and unconditioned ones, each with a baseline to be held against.
MOVED_UNITS = [unit for unit in PERSONA_UNITS if baseline_of(unit) not in (None, unit)]
BARE_UNITS = [
    unit for unit in UNITS if unit.probe == ANALYSIS["unconditioned_probe"] and baseline_of(unit)
]
ROLEPLAY_INSTRUMENT = str(LAYOUT.instruments[ANALYSIS["roleplay_probe"]].path)
BARE_INSTRUMENT = str(LAYOUT.instruments[BARE_UNITS[0].probe].path) if BARE_UNITS else []
TOXIC_PRINTED = ANALYSIS["toxic_printed"] or []
PILOTS = pilots()

# Variants that were fine-tuned more than once, and what their replicates are compared by.
REPLICATES = replicates_of(STUDY)
REPLICATE_UNITS = [
    unit
    for unit in PERSONA_UNITS
    for variants in [REPLICATES.get(unit.model, {})]
    if variants and unit.variant in {ANALYSIS["baseline"], *sum(variants.values(), [])}
]

TABLES = [
    *("metrics", "contrasts", "summary", "leave_one_out", "random_effects", "band", "band_values"),
    *("profiles", "personas", "quality", "diagnostics", "fidelity", "power"),
    *(["toxic"] if BARE_UNITS else []),
    *(["temperature", "logprobs"] if LOGPROB_UNITS else []),
    *(["trajectory"] if STUDY.steps() else []),
    *(["replicates"] if REPLICATES else []),
    *CHECK_TABLES,
    *(["losses"] if LAYOUT.made else []),
]
PRINTED = [
    *("metrics", "contrasts", "profiles", "quality"),
    *(name for name in CHECK_TABLES if name != "misalignment_questions"),
]
FIGURES = drawn_figures()
PROVENANCE_FILES = provenance_files()
