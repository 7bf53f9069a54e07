"""Names and colours of models and variants."""

from __future__ import annotations

from dataclasses import replace

from persona_collapse.figures.look import Look, ModelLook
from tests.helpers.figures_data import look_of


def test_paint_of_a_variant_follows_its_role() -> None:
    models = [{"key": "a", "label": "A", "family": "F"}]
    analysis = {
        **{"baseline": "plain", "targets": {"risky": "safe"}, "band": None},
        **{"roleplay_probe": "r", "unconditioned_probe": "u", "toxic_probe": "t"},
    }
    names = ["plain", "safe", "risky", "x", "y", "z"]
    look = Look.from_params(models, names, analysis)
    shipped = look_of(1, 3)
    for ours, theirs in zip(names, ("base", "secure", "insecure"), strict=False):
        assert look.paint(ours) == shipped.paint(theirs)
    assert len({look.paint(name).colour for name in names}) == 6
    assert len({look.paint(name).hatch for name in names}) == 6
    assert len({str(look.paint(name).line) + look.paint(name).marker for name in names}) == 6


def test_no_two_of_several_targets_and_controls_look_alike() -> None:
    targets = {"t1": "c1", "t2": "c2", "t3": "c3", "t4": "c1", "t5": None}
    names = ("base", *targets, "c1", "c2", "c3", "other")
    look = Look((), names, "base", targets)
    paints = [look.paint(name) for name in names]
    assert len({paint.colour for paint in paints}) == len(names)
    assert len({paint.hatch for paint in paints}) == len(names)
    assert len({str(paint.line) + paint.marker for paint in paints}) == len(names)
    assert look.paint("t1") == look_of(1, 3).paint("insecure")
    many = Look((), tuple(map(str, range(20))), "0", dict.fromkeys(map(str, range(1, 20))))
    assert len({many.paint(str(n)).colour for n in range(20)}) == 8


def test_roles_differ_in_grey_print() -> None:
    look = look_of(1, 3)
    greys = [
        sum(w * int(look.paint(v).colour[n : n + 2], 16) / 255 for w, n in
            zip((0.299, 0.587, 0.114), (1, 3, 5), strict=True))
        for v in look.variants
    ]  # fmt: skip
    assert min(abs(a - b) for a in greys for b in greys if a != b) > 0.07


def test_texts_use_the_words_of_the_instrument() -> None:
    look = replace(look_of(1, 3), domain_word="foundation", construct="moral")
    assert look.metric("S") == "Moral susceptibility S"
    assert look.worded("Domain: mean per domain, over domains") == (
        "Foundation: mean per foundation, over foundations"
    )
    assert look.worded("`domain` or `domain_cv`") == "`domain` or `domain_cv`"
    assert replace(look, domain_word="quality").worded("Domains") == "Qualities"


def test_texts_speak_of_domains_when_the_instrument_has_no_words_of_its_own() -> None:
    look = look_of(1, 3)
    assert (look.metric("S"), look.metric("R")) == ("Susceptibility S", "Robustness R")
    assert look.worded("Mean per domain, over domains") == "Mean per domain, over domains"


def test_family_is_named_where_the_label_does_not_hold_it() -> None:
    assert ModelLook("a", "GPT-4o \u2020", "gpt").named == "GPT-4o \u2020"
    assert ModelLook("a", "Sonnet 4.5", "Claude").named == "Sonnet 4.5 (Claude)"
