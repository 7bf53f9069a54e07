"""Terms of statistics that the page explains where they occur, and lists in its glossary."""

import re
from collections.abc import Iterable
from html import escape

TERMS = {
    "BCa": "Bias-corrected and accelerated bootstrap: an interval from redrawn personas, corrected "
    "for bias and skew.",
    "BH": "Benjamini-Hochberg: adjusts p values so that of the findings called significant at most "
    "5 % are expected to be false.",
    "bootstrap": "Personas (or repetitions) are drawn again, with replacement, many times; the "
    "spread of the results shows how far a number may be off.",
    "bootstrap-t": "A bootstrap whose draws are each divided by their own standard error; its "
    "intervals hold for skewed numbers.",
    "Cochran's Q": "How much models differ beyond their own errors; near the number of models less "
    "one when they do not.",
    "Cronbach's α": "How far the items of an instrument order personas alike, up to 1.",
    "CV": "Coefficient of variation: the standard deviation divided by the mean. 0: all values are "
    "equal.",
    "effective dimension": "In how many independent directions personas differ, as a number.",
    "effective personas": "On how many personas a number rests: as many of equal weight would move "
    "it as much.",
    "energy distance": "A distance between two clouds of points, 0 only when they are alike.",
    "Fisher's z": "A transformation under which a correlation has a normal error.",
    "generalisability": "The share of the variance of a persona's mean that other items and "
    "repetitions would show again.",
    "Holm": "Adjusts p values so that among all comparisons made, the chance of any false finding "
    "is at most 5 %.",
    "I²": "The share of the differences between models that is not their own error.",
    "jackknife": "An interval from leaving out one persona at a time.",
    "KL": "Kullback-Leibler divergence: how far one distribution of ratings is from another, in "
    "bits; 0 when they are equal.",
    "prediction interval": "Where one more model or fine-tune is expected; wider than a confidence "
    "interval.",
    "principal components": "The directions in which the baseline's personas differ most.",
    "random effects": "A mean over models that treats them as a sample of all such models.",
    "REML": "Restricted maximum likelihood: how the spread between models is estimated.",
    "RSA": "Representational similarity analysis: whether pairs of personas that are alike under "
    "one variant are alike under another; a correlation.",
    "SD": "Standard deviation.",
    "SE": "Standard error: how far an estimate may be off; about half of what a 95 % interval "
    "reaches to one side.",
    "split half": "Correlation of personas' means over one half of the items with the other half.",
    "TOST": "Two one-sided tests: equivalence is shown when the whole interval lies within the "
    "margin. A test that does not reject shows none.",
    "Δ": "Change against the baseline.",
    "μ": "Mean.",
    "σ̄": "Mean standard deviation of repeated answers to one item as one persona; R is 1/σ̄.",
    "τ": "Standard deviation of the true effects over models.",
}
_LETTER = r"[A-Za-z0-9α-ωΑ-Ω]"
_TERMS = re.compile(
    "|".join(
        # Δ stands before its metric, every other term alone.
        re.escape(term) if term == "Δ" else f"(?<!{_LETTER}){re.escape(term)}(?!{_LETTER})"
        for term in sorted(TERMS, key=len, reverse=True)
    )
)


def terms_in(texts: Iterable[str]) -> list[str]:
    """Return the terms that occur in the texts, in the glossary's order."""
    found = {match[0] for text in texts for match in _TERMS.finditer(text)}
    return [term for term in TERMS if term in found]


def explained(text: str) -> str:
    """Return a text as HTML in which the first occurrence of each term carries its explanation."""
    seen: set[str] = set()
    parts, end = [], 0
    for match in _TERMS.finditer(text):
        parts.append(escape(text[end : match.start()]))
        end = match.end()
        word = escape(match[0])
        if match[0] in seen:
            parts.append(word)
        else:
            seen.add(match[0])
            parts.append(f'<dfn title="{escape(TERMS[match[0]])}">{word}</dfn>')
    return "".join([*parts, escape(text[end:])])
