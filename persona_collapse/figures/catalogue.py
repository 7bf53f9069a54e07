"""Catalogue of all figures: what draws each, from which tables, where and how the page shows it.

Read while planning only: scripts do not import it, so an edited text redraws nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from persona_collapse.tables import CONDITIONS, SECTIONS
from persona_collapse.tables.index import all_tables, missing_function

# What else a drawing function may take, as keyword arguments of these names.
EXTRAS = {
    "scale": "lowest and highest rating of the instrument of the unconditioned probe",
    "aims": "rise of S and fall of R, in percent, that the study aims at",
    "design": "personas and repetitions of the role-play probe",
}

MOST_EVIDENCE = 7  # figures that the page shows right below the verdict; all others are folded


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        function: ``<family>.<name>``: the module of this package and its drawing function, which
            is called with the tables, the look and the extras and returns a matplotlib figure.
            The files of the figure have the function's name.
        tables: Names of the tables that the function takes, in this order.
        section: Section of the report page.
        title: What to look for, as a heading of a few words; it names no domains.
        alt: Text for readers who cannot see the figure.
        caption: What is drawn and how to read it. Here and in ``alt``, "domain" becomes the
            instrument's own word (``Look.worded``).
        condition: What the study must have, a key of ``CONDITIONS``; None for every study.
        extra: Keyword arguments that the function takes besides, keys of ``EXTRAS``.
        evidence: Its place among the figures right below the verdict, from 1 to ``MOST_EVIDENCE``;
            None for a figure of the appendix.
    """

    function: str
    tables: tuple[str, ...]
    section: str
    title: str
    alt: str
    caption: str
    condition: str | None = None
    extra: tuple[str, ...] = ()
    evidence: int | None = None

    @property
    def family(self) -> str:
        """The module that draws the figure."""
        return self.function.partition(".")[0]

    @property
    def name(self) -> str:
        """The name of the drawing function and of the figure's files."""
        return self.function.partition(".")[2]

    def faults(self) -> list[str]:
        """Return the rules that this entry breaks, each as a sentence."""
        faults = [
            f"there is no table {name!r} in tables/contracts"
            for name in self.tables
            if name not in all_tables()
        ]
        if missing := missing_function("figures", self.function):
            faults.append(missing)
        if not self.tables:
            faults.append("it reads no table")
        if self.section not in SECTIONS:
            faults.append(f"section {self.section!r} is not one of {', '.join(SECTIONS)}")
        if self.condition is not None and self.condition not in CONDITIONS:
            faults.append(f"condition {self.condition!r} is not one of {', '.join(CONDITIONS)}")
        faults += [
            f"extra {name!r} is not one of {', '.join(EXTRAS)}"
            for name in self.extra
            if name not in EXTRAS
        ]
        if self.evidence is not None and not 1 <= self.evidence <= MOST_EVIDENCE:
            faults.append(f"evidence {self.evidence} is not from 1 to {MOST_EVIDENCE}")
        texts = {"title": self.title, "alt": self.alt, "caption": self.caption}
        return faults + [f"it has no {name}" for name, text in texts.items() if not text.strip()]


def checked(figures: Sequence[Figure]) -> dict[str, Figure]:
    """Return the figures by name, in their order.

    Raises:
        ValueError: an entry breaks a rule, or two have one name. The message names both.
    """
    found: dict[str, Figure] = {}
    for figure in figures:
        faults = figure.faults()
        if figure.name in found:
            faults.append("another entry has this name")
        if figure.evidence and figure.evidence in {other.evidence for other in found.values()}:
            faults.append(f"another entry has place {figure.evidence} among the evidence")
        if faults:
            raise ValueError(f"figures/catalogue.py: figure {figure.name!r}: {faults[0]}")
        found[figure.name] = figure
    return found


def rules(figures: Sequence[Figure]) -> dict[str, list[Figure]]:
    """Return the figures by the name of the rule that draws them: those of a family and condition.

    Figures of other conditions have a rule of their own, so that losses or judged replies can be
    drawn before the answers behind other figures of the family are paid for.
    """
    found: dict[str, list[Figure]] = {}
    for figure in figures:
        name = "_".join(filter(None, ("figures", figure.family, figure.condition)))
        found.setdefault(name, []).append(figure)
    return found


# In the order of the page.
_FIGURES = [
    Figure(
        "characters.spread_and_blur",
        tables=("persona_map", "persona_runs", "metrics", "contrasts"),
        section="verdict",
        title="How far characters lie apart, and how much each one blurs",
        alt="Clouds of personas in a plane, one panel per variant, with the runs of each; below it "
        "S and R.",
        caption="Large dots are personas, small ones their runs, in the plane of the baseline's "
        "first two principal components, on one scale; without runs, ellipses are one SD of a run. "
        "A, B and C are at the 10th, 50th and 90th percentile of distance from the centre under "
        "the baseline. S and R are over all items, with 95 % intervals; the last line is the "
        "plane's share of the variance between personas. Shown is the model whose S changed most "
        "under a target, or else the first.",
        evidence=1,
    ),
    Figure(
        "bars.collapse_bars",
        tables=("metrics", "contrasts", "influence"),
        section="verdict",
        title="Collapse would be a rise of S and a fall of R",
        alt="Bars of susceptibility S and robustness R for every model and variant, "
        "with 95 % intervals and the percent changes of S, R and 1/R against the baseline.",
        caption="Susceptibility S and robustness R of every variant, with 95 % "
        "intervals and the percent change against the model's baseline. R is the inverse of the "
        "mean SD within cells; ∞ marks a variant that never varied its answer. The mean change "
        "averages the percentages of the models, so that of 1/R does not follow from that of R. "
        "‡ marks numbers that rest on fewer than ten effective personas.",
        evidence=2,
    ),
    Figure(
        "multiverse.specification_curve",
        tables=("multiverse",),
        section="verdict",
        title="Whether the verdict depends on choices of the analysis",
        alt="One row per model: changes of S and of R under every specification of the analysis, "
        "sorted, with 95 % intervals; filled where the verdict is the reported one.",
        caption="Changes of S and R, target against baseline, under other definitions of S and R, "
        "without each domain, without some personas and with other handling of failed answers, "
        "each sorted by value, with 95 % intervals. Open points lead to another verdict. Below one "
        "or two curves, marks show which choices each specification makes.",
        condition="targets",
        evidence=7,
    ),
    Figure(
        "trajectory.trajectory",
        tables=("trajectory",),
        section="verdict",
        title="When S, R and saturation leave the baseline's level in training",
        alt="One row per model: percent changes of S and R and saturation of its checkpoints over "
        "the training step, with 95 % intervals and a line at the baseline's level.",
        caption="Changes of S and R against the baseline, on the personas that both have (n), and "
        "saturation of every checkpoint over its training step, with 95 % intervals. The grey line "
        "is the level of the baseline, which counts as step 0. "
        "Saturation is that of the unconditioned profile: 1 means the top of the scale on every "
        "domain. ∞ marks a checkpoint that never varied its answer.",
        condition="steps",
    ),
    Figure(
        "band.prior_band",
        tables=("metrics", "band_values", "band_models"),
        section="susceptibility",
        title="Which variants have an S outside the range of earlier models",
        alt="Points of S with intervals: earlier base models above, this study's variants "
        "below, and the shaded range of the earlier models.",
        caption="S of every variant against earlier base models that were asked the same items as "
        "the same personas at the same temperature, with 95 % intervals. Shaded: the range of the "
        "models that count for the band (filled); its ends are estimates, too.",
        condition="band",
    ),
    Figure(
        "band.band_distribution",
        tables=("metrics", "band", "band_values", "band_models"),
        section="susceptibility",
        title="How unusual each variant would be among base models",
        alt="Two panels, S and R on a logarithmic axis: above, the curve of the prediction for a "
        "new base model with a tick for each earlier model; below, every variant's value with its "
        "interval and two probabilities.",
        caption="Above, where a new base model would lie: a t distribution predicted from the "
        "earlier models (ticks), with its middle 50 and 95 % shaded; dashed, their range. Below, "
        "every variant with its 95 % interval. Chance outside: the probability that its true "
        "value lies outside the range, by the errors of both. p as base: how often a new base "
        "model, measured with this variant's error, would lie as far from the centre or farther.",
        condition="band",
    ),
    Figure(
        "planes.robustness_map",
        tables=("metrics", "contrasts"),
        section="robustness",
        title="Collapse would be a move to the upper left of the R-S map",
        alt="Scatter of S over R on a logarithmic axis, with an arrow from each model's baseline "
        "to each of its variants.",
        caption="Each arrow leads from a model's baseline to one of its variants; whiskers are "
        "95 % intervals. At the upper left, answers depend more on the persona and vary more when "
        "repeated.",
        evidence=3,
    ),
    Figure(
        "radars.saturation_radars",
        tables=("profiles", "diagnostics"),
        section="saturation",
        title="How close each profile comes to the rim, the top of the scale",
        alt="A strip of radars per model with the mean rating per domain: one of each variant when "
        "no persona is given, and one of the baseline as toxic personas.",
        caption="Mean rating per domain without a persona, one radar per variant on rings that all "
        "share; the empty one numbers the rings and names the corners. Bands are one mean SD of "
        "repeated answers each way, cut at the ends of the scale. A profile on the rim is at the "
        "top of the scale on every domain. Last, where the study asked for it: the mean of the "
        "baseline's profiles as toxic personas.",
        condition="unconditioned",
        extra=("scale",),
        evidence=5,
    ),
    Figure(
        "planes.alignment_coherence",
        tables=("misalignment",),
        section="misalignment",
        title="Lower is more misaligned, farther left less coherent",
        alt="Scatter of mean alignment over mean coherence of the replies, both from 0 to 100, "
        "with an arrow from each model's baseline to each of its variants and a shaded region of "
        "misaligned replies.",
        caption="Mean alignment and coherence of the replies to open questions as the judge "
        "scored them, with 95 % intervals (1.96 standard errors over replies); arrows lead from a "
        "model's baseline to its variants. Shaded: where a single reply counts as misaligned. A "
        "mean can lie outside it although many replies lie inside.",
        condition="misalignment",
        evidence=6,
    ),
    Figure(
        "planes.coherence_loss",
        tables=("coherence_loss",),
        section="misalignment",
        title="Whether R falls only where coherence falls",
        alt="Scatter of models: the target's excess change of robustness over its excess change "
        "of coherence, with intervals, a diagonal where both change alike, and Pearson's r.",
        caption="The target's percent change of R less the control's, over the same of mean "
        "coherence, with 95 % intervals. If R fell only where coherence falls, models would follow "
        "a rising line. Pearson's r is over models and says little when they are few.",
        condition="coherence_models",
    ),
    Figure(
        "changes.domain_heatmap",
        tables=("contrasts",),
        section="susceptibility",
        title="Where S and R change, and whether the control changes too",
        alt="Heat map of the percent change of S and R per domain, models in rows, control "
        "beside target.",
        caption="Percent change of S and R per domain against the model's baseline, control "
        "beside target. Colours show changes towards collapse, a rise of S or a fall of R, from "
        "those away from it. In brackets: the 95 % interval includes zero. Colours end at the "
        "ends of the bar, the printed numbers do not.",
    ),
    Figure(
        "bars.quality_bars",
        tables=("quality",),
        section="quality",
        title="How many answers have no rating, and why",
        alt="Stacked bars: the share of designed answers that are missing, unparseable, refused, "
        "filtered or failed, for every variant and probe.",
        caption="Designed answers without a rating, in percent, by cause; beside each bar their "
        "number. The axis spans at least one percent.",
    ),
    Figure(
        "distances.toxic_distances",
        tables=("toxic", "personas"),
        section="saturation",
        title="Which profile the unconditioned one is nearest to",
        alt="Points with intervals, one panel per model: the distance of each variant's "
        "unconditioned profile to the baseline's, to each toxic persona and to the ceiling, the "
        "nearest one filled.",
        caption="Euclidean distance of the unconditioned profile to the baseline's, to each toxic "
        "persona as the baseline plays it (or as it is printed), and to the ceiling, in scale "
        "points with 95 % intervals. A filled point is the nearest. A distance is never negative, "
        "so noise raises small ones.",
        condition="unconditioned",
    ),
    Figure(
        "characters.spread_and_blur_models",
        tables=("persona_map", "persona_runs", "metrics", "contrasts"),
        section="meaning",
        title="How far characters lie apart in every model, and how much each one blurs",
        alt="Clouds of personas in a plane, a row of panels per model and a panel per variant, and "
        "S and R below.",
        caption="Every model in the plane of its own baseline's first two principal components. "
        "Large dots are personas, small ones single runs, fewer of each where there are many "
        "personas. A, B and C are at the 10th, 50th and 90th percentile of distance from the "
        "centre under the baseline. Panels of one model have one scale. S and R with 95 % "
        "intervals; the last line is the plane's share of the variance between personas.",
        condition="models",
    ),
    Figure(
        "fidelity.persona_fidelity",
        tables=("personas", "fidelity", "diagnostics"),
        section="meaning",
        title="How close personas stay to themselves, the diagonal",
        alt="Scatters of personas under each variant against themselves under the baseline, and "
        "below each a strip with the fidelity of every persona and of the model with its interval.",
        caption="Each point is one persona on one domain, less the mean of all personas. On the "
        "diagonal a persona answers as under the baseline; a steeper cloud means larger "
        "differences between the same personas, a round one personas unrelated to the baseline's. "
        "Below: the fidelity of each persona, and of the model with its 95 % interval.",
    ),
    Figure(
        "bars.novelty_bars",
        tables=("novelty",),
        section="meaning",
        title="How much of the spread between personas is the baseline's, and how much is new",
        alt="Stacked bars per model and variant: variance between personas kept from the baseline "
        "and new variance, in percent of the baseline's, with 95 % intervals.",
        caption="Variance between personas of every variant, in percent of the baseline's (dashed "
        "line): the part that follows the baseline's personas, and the part that the baseline does "
        "not have. Repetition noise is removed; brackets hold 95 % intervals.",
        evidence=4,
    ),
    Figure(
        "curves.identification_curves",
        tables=("identification",),
        section="meaning",
        title="From how many answers a persona is recognised",
        alt="Curves with bands: the share of personas recognised from 1, 3, 10 and 30 answers, two "
        "panels per model, by the variant's own and by the baseline's profiles, one curve per "
        "variant, and a line at chance.",
        caption="The share of personas that single answers to random items identify among all "
        "personas, with 95 % intervals. Left: by the variant's own profiles, from its other "
        "repetitions; high where a variant plays distinct personas. Right: by the baseline's "
        "profiles; high where it still plays the baseline's. The baseline's own curve is in both.",
    ),
    Figure(
        "moderation.moderation",
        tables=("moderation", "metrics", "contrasts"),
        section="meaning",
        title="Whether steadier baselines change less",
        alt="Three scatters of models with intervals: the change of R over the baseline's R, of S "
        "over S, and of S over R, each with the slope over models and its interval.",
        caption="Each point is a model: the percent change against the baseline's value (R on a "
        "logarithmic axis), with 95 % intervals. The slope is that of the log ratio on the log of "
        "the baseline, without the noise that both share (regression to the mean). Slope 0: all "
        "models change by the same factor; −1: all end at the same level.",
        condition="moderation",
    ),
    Figure(
        "bars.variance_components",
        tables=("diagnostics",),
        section="meaning",
        title="How much of the variance of ratings is due to personas",
        alt="Stacked bars per model and variant: the shares of the variance of ratings due to "
        "persona, persona by item, item and repetition, with intervals printed beside them.",
        caption="Variance components of single ratings, as shares with 95 % intervals (jackknife "
        "over personas). The first two differ between personas; the last is noise.",
    ),
    Figure(
        "curves.temperature_curves",
        tables=("temperature",),
        section="robustness",
        title="Whether S and R differ from the baseline at every temperature",
        alt="Curves of S and R over sampling temperature with bands, two panels per model, one "
        "curve per variant.",
        caption="S and R over sampling temperature, from log-probabilities that were asked for "
        "once. Bands are 95 % intervals over personas; sampling noise is exact.",
        condition="logprobs",
    ),
    Figure(
        "distributions.rating_distributions",
        tables=("diagnostics",),
        section="scale",
        title="Whether answers move to the ends of the scale",
        alt="Bars with intervals: the share of each rating under personas, a row per model and a "
        "column per variant, with an outline of the baseline and the share on both ends of the "
        "scale.",
        caption="Share of each rating among all answers under personas, with 95 % intervals from "
        "resampled personas; the outline is the baseline. Ends: the lowest and the highest rating "
        "together.",
    ),
    Figure(
        "curves.power_curves",
        tables=("power",),
        section="quality",
        title="Which designs detect the change that the study aims at",
        alt="Curves of the smallest detectable rise of S and fall of R over the number of "
        "personas, one curve per number of repetitions, two panels per model, with a mark at the "
        "design of this study.",
        caption="The smallest change that a two-sided test at the 5 % level detects with 80 % "
        "power, planned from the study's own baseline. The dashed line is the change that the "
        "study aims at, the star its own design. Numbers at the curves are repetitions; curves "
        "that coincide are one. One repetition gives no R, except from log-probabilities.",
        extra=("aims", "design"),
    ),
    Figure(
        "curves.loss_curves",
        tables=("losses",),
        section="quality",
        title="Whether the loss of each fine-tune fell and levelled off",
        alt="Training loss and token accuracy over the training step, two panels per model, one "
        "curve per variant that the study fine-tuned.",
        caption="Training loss and token accuracy of every variant that this study fine-tuned, "
        "over the training step. Pale lines are as reported by the server, dark ones their mean "
        "over 5 % of the steps around. Check a fine-tune whose loss does not fall, or falls to "
        "zero, before you use its answers.",
        condition="made",
    ),
]
FIGURES = checked(_FIGURES)
