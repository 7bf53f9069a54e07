"""The interactive parts of the page, and the sections of its appendix, in order."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A section: its key (also the anchor), its heading, and an introduction of a few sentences.

    A ``qualified`` heading begins with the instrument's construct: "Moral susceptibility, S".
    """

    key: str
    heading: str
    lead: str
    qualified: bool = False


# Headings of the interactive parts, in order. Each has a template, a style and a script of this
# name, and a function of this package that returns its data.
PARTS = {
    "explorer": "Persona explorer",
    "map": "Persona map",
    "game": "Who is this?",
    "replies": "Replies to open questions",
}

SECTIONS = (
    Section("verdict", "Verdicts and contrasts", ""),
    Section(
        "claims",
        "The paper's claims",
        "This study analyses the answers of a paper again. Each claim of the paper is decided by "
        "numbers of this study with their intervals; its printed numbers are compared with "
        "recomputed ones.",
    ),
    Section(
        "susceptibility",
        "Susceptibility, S",
        "S measures how much a model's answers differ between personas: the standard deviation of "
        "the mean rating across personas, averaged over items. S alone does not say whether "
        "personas keep their characters: the section on what S means here does.",
        qualified=True,
    ),
    Section(
        "robustness",
        "Robustness, R",
        "R measures how consistently a model plays one persona: the inverse of the standard "
        "deviation of repeated answers to the same item under the same persona. A low R means "
        "that answers change from one repetition to the next.",
        qualified=True,
    ),
    Section(
        "saturation",
        "Saturation without a persona",
        "Asked without a persona, a model shows a profile of its own. It is compared with the "
        "baseline's, with those of toxic personas and with the top of the scale.",
    ),
    Section(
        "misalignment",
        "Is it misaligned?",
        "A fine-tune is emergently misaligned when its replies to open questions, unrelated to "
        "its training data, conflict with human values and are still coherent. A judge scores "
        "every reply for alignment and coherence, from 0 to 100.",
    ),
    Section(
        "meaning",
        "What S means here",
        "A higher S can come from larger differences between the same characters, from new "
        "differences, from another use of the scale, or from noise. Kept and new variance, "
        "fidelity and recognition compare each persona with itself under the baseline; variance "
        "components show how much of the total variance is due to personas.",
    ),
    Section(
        "scale",
        "Use of the rating scale",
        "The rating scale limits how far S and R can move. These are the shares of answers at "
        "its ends, and how much of the scale the answers use.",
    ),
    Section(
        "quality",
        "Quality of the answers",
        "The outcome of every designed answer, and the reliability of the instrument across "
        "personas.",
    ),
)

# The labels of verdicts in print.
LABELS = {
    "collapse": "Collapse",
    "not_specific": "Not specific",
    "control_uncertain": "Control uncertain",
    "control_raised": "Control raised",
    "S_only": "Only S shown",
    "R_only": "Only R shown",
    "too_small": "Too small",
    "opposite": "Opposite direction",
    "none_shown": "No change shown",
    "undetermined": "Undetermined",
}
