"""Terms are found as words, explained once a text, and every column has a heading."""

from __future__ import annotations

import pytest

from persona_collapse.report.forms import FORMS
from persona_collapse.report.glossary import TERMS, explained, terms_in
from persona_collapse.report.headings import HEADINGS, heading_of, value_of
from persona_collapse.tables.index import all_tables


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_found_in_a_sentence_and_its_explanation_ends_in_a_full_stop(term: str) -> None:
    assert term in terms_in([f"Value ({term}) of a model."])
    assert TERMS[term].endswith(".")


@pytest.mark.parametrize("text", ["SECURE", "CVs", "Holmes", "BHX", "SDs", "RSAs"])
def test_a_part_of_a_word_is_no_term(text: str) -> None:
    assert terms_in([text]) == []


def test_the_first_occurrence_of_a_term_carries_its_explanation_and_texts_are_escaped() -> None:
    html = explained('<b>"KL" & KL')
    assert html.count("<dfn") == 1
    assert html.startswith("&lt;b&gt;&quot;<dfn title=")
    assert html.endswith("</dfn>&quot; &amp; KL")


def test_every_column_printed_without_a_form_has_a_heading() -> None:
    raw = [
        f"{table.name}.{name}"
        for table in all_tables().values()
        if table.name not in FORMS
        for name in table.columns
        if not name.endswith(("_se", "_lo", "_hi"))
        and name not in ("lo", "hi", "simulated", "mixed_backends")
        and name not in HEADINGS
        and f"{table.name}.{name}" not in HEADINGS
    ]
    assert raw == []


def test_a_column_of_a_table_of_ones_own_is_named_in_words() -> None:
    assert heading_of("mine", "mean_of_two") == "Mean of two"
    assert heading_of("toxic", "value") == "Distance"


def test_names_of_the_code_are_printed_in_words_and_names_of_the_study_as_they_are() -> None:
    assert value_of("metric", "sigma_bar") == "σ̄"
    assert value_of("classifier", "nearest_mean") == "nearest mean"
    assert value_of("quantity", "insecure_v2-base") == "insecure_v2-base"
    assert value_of("variant", "sigma_bar") == "sigma_bar"
