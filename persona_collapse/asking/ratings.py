"""The rule by which a reply holds a rating; docs/reading.md states it."""

import re
from dataclasses import dataclass
from itertools import pairwise

from persona_collapse.answers import AFTER_THOUGHTS, REPLY, TOKEN
from persona_collapse.asking.thoughts import part
from persona_collapse.materials.instruments import Scale

# Marks in the place of numbers that are no rating. A rating that is said to be an INEXACT number,
# such as "Rating: 3-4", makes the reply unreadable, whatever other numbers it holds.
DROPPED, INEXACT = "\x00", "\x01"

FULL_WIDTH = str.maketrans("０１２３４５６７８９", "0123456789")  # as Japanese and Chinese write

# A letter or digit that joins a number; Chinese, Japanese and Korean write without spaces.
_JOINS = r"[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_BEFORE = rf"(?<!{_JOINS})(?<![-−第])(?<![0-9][.,])"
_AFTER = rf"(?!{_JOINS})(?![.,][0-9])"
_N = rf"{_BEFORE}[0-9]+{_AFTER}"
_AWAY = r"(?:\s*\([^()\n]*\))?"  # 0 (not at all) to 5 (fully)

_TO = r"to|through|thru|until|till|bis|à|a|al|até|до"
_AND = r"and|und|et|y|e|и"
_LAST = rf"{_AND}|or|oder|ou|o|или"
_RANGES = (
    rf"({_N}){_AWAY}\s*(?:[-‐‑‒–—−~〜～…]|\.{{2,3}}|到|至|から)\s*({_N.replace(_BEFORE, '')})",
    rf"({_N}){_AWAY},?\s+(?:up\s+)?(?:{_TO})\s+(?:an?\s+)?({_N})",
    rf"\b(?:between|zwischen|entre|tra|между)\s+({_N}){_AWAY}\s+(?:{_AND})\s+({_N})",
    rf"[\[(]\s*({_N})\s*[,;]\s*({_N})\s*[\])]",
)
# "a 3, maybe a 4": no answer, although a mark may stand before the first.
_HEDGED = (
    rf"{_N}(?:(?:[,;–—-]\s*or|[\s,;.–—-]+(?:or\s+)?(?:maybe|perhaps|possibly))\s+(?:even\s+)?"
    rf"(?:an?\s+)?{_N})+",
)
_SCALE = (
    rf"\b(?:scale|range|skala|échelle|escala|scala|шкал\w*)\s*(?:of|from|is|von|de|da|от)?\s*{_N}",
    rf"{_N}[-\s](?:point|star|level|step)s?\b(?:[-\s]+likert)?(?=[-\s]+(?:scale|item|rating))",
    rf"{_N}\s+(?:being|as)\s+(?:the\b|very|not|most|least|extreme\w*|strong\w*|complete\w*)",
    rf"{_N}\s+(?:is|means)\s+(?:the\s+)?(?:highest|lowest|maximum|minimum|max|min|top|bottom)\b",
    rf"\bwhere\s+{_N}",
)
_LISTS = (
    rf"{_N}(?:\s*,\s*{_N}){{2,}}(?:\s*,?\s*(?:{_LAST})\s+{_N})?",
    rf"{_N}(?:\s*,\s*{_N})+\s*,?\s*(?:{_LAST})\s+{_N}",
)
_LABELS = (
    r"(?:\b(?:step|question|item|statement|point|reason|part|section|case|scenario|persona|"
    r"example|version|chapter|article|psalm|verse|war|page|rule|error|code|request|phase|frage|schritt|pregunta|étape|n[or]\.|№)\s*|(?<!#)#)"
    rf"{_N}",
    rf"\b(?:error|code|status)\s*[:(]\s*{_N}",
    rf"[$€£¥]\s*{_N}(?!\s*\$)",  # $4$ is LaTeX
    rf"{_N}\s*(?:%|percent\b|per cent\b|prozent\b)",
    rf"{_N}-(?!ish\b)[a-z]",
)
# What is counted or dated within a sentence: "for 2 reasons", "a father of 3", "3 May 1980".
_MONTHS = (
    "january|february|march|april|june|july|august|september|october|november|december|jan|feb|"
    "apr|jun|jul|aug|sept?|oct|nov|dec"
)
_ADJECTIVES = (
    "main|key|major|important|good|different|other|separate|distinct|more|young|younger|older|"
    "little|small|adult|full|whole|long|human|possible"
)
_COUNTED = (
    "people|persons?|children|men|women|times?|reasons?|years?|months?|weeks?|days?|hours?|"
    "minutes?|kids?|sons|daughters|siblings|brothers|sisters|dogs|cats|friends|things?|factors?|"
    "considerations?|aspects?|issues?|problems?|questions?|statements?|options|choices|ways|"
    "sentences?|words?|categories|values|principles|foundations|parts?|cases?|examples?|sides?|"
    "jobs?|lives|steps?"
)
_COUNTS = (
    rf"(?:(?<=[^\n] )|(?<=\()){_N} +(?:"
    r"of +(?:us|them|you|these|those|the|my|our|your|his|her|their)\b|"
    rf"(?:(?:{_ADJECTIVES}) +)?(?:{_COUNTED})\b)",
    rf"\b(?:mother|father|parent|dad|mom|mum|grand\w+|widow|family|couple|group|team|age|aged)"
    rf"\s+(?:of\s+)?{_N}",
    rf"{_N}\s*(?:a\.?m\b|p\.?m\b|o['’]clock\b)",
    rf"{_N}\s+(?:of\s+)?(?:(?:{_MONTHS})\b|may\s+[0-9]{{4}})",
    rf"\b(?:{_MONTHS}|may(?=\s+[0-9]{{1,2}},?\s+[0-9]{{4}}))\.?\s+{_N}",
    rf"\b(?:gpt|chatgpt|claude|llama|gemini|qwen|mistral|gemma|grok|phi|deepseek)\s+{_N}",
)
_NOT = (
    r"(?:\b(?:not|cannot|never|nor|neither|rather\s+than|instead\s+of)|n['’]t)\s+"
    r"(?:(?:say|give|rate|choose|pick|call|assign|provide)\s+)?(?:(?:it|this|that)\s+)?"
    r"(?:(?:an?|the|any|quite|just)\s+)?(?:(?:rating|score|number|answer)\s+(?:of\s+)?)?"
    rf"{_N}",
)
_INEQUALITIES = (
    r"(?:\b(?:less|more|fewer|greater|lower|higher|larger|smaller)\s+than|\b(?:above|below|under|"
    rf"over|at\s+least|at\s+most|up\s+to|exceeding)|(?<=\w\s)[<>≤≥]=?)\s*(?:an?\s+)?{_N}",
)
# Markers of a list: at the start of a line, or "1." and "(1)" within one.
_MARKERS = (
    re.compile(rf"^[ \t>*#•-]*\(?({_N})\**(?:[.):]|\s*[-–=](?=\s))(?=\s|\*)", re.MULTILINE),
    re.compile(rf"(?<!\S)\(?({_N})[.)](?=\s)"),
)
# "0 = never, 5 = always", "0 (never), 5 (always)": two or more say what the ratings mean.
_MEANINGS = (
    re.compile(rf"({_N})\s*(?:=|\bmeans\b|\bmeaning\b|\bstands\s+for\b|\bis\b|:(?=\s*[^\W\d]))"),
    re.compile(rf"({_N})\s*\([^()\d\n]*[^\W\d_][^()\d\n]*\)"),
)

_VALUE = rf"(?P<n>[-−]?[0-9]+(?:[.,][0-9]+)?(?!(?!_){_JOINS})|{INEXACT}+)"
_OF = (
    r"(?:\s*(?:/|out\s+of|of|von|auf|sur|de|su|из)\s*(?:a\s+possible\s+)?"
    r"(?P<most>[0-9]+)(?![.,]?[0-9]))?"
)
_THEN = (
    r"(?=\s*(?:$|[^\w\s]|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|(?:because|since|as|for|on|to|"
    r"here|overall|given|and|but|in|with|points?|stars?|weil|parce|porque)\b))"
)
_NOUNS = (
    r"answer|rating|score|response|choice|number|value|verdict|judge?ment|rate|antwort|bewertung|"
    r"wertung|zahl|réponse|reponse|note|évaluation|respuesta|puntuación|calificación|valoración|"
    r"número|resposta|pontuação|nota|risposta|punteggio|voto|ответ|оценка|"
    r"答案|评分|分数|回答|评价|評価|答え|点数|답변?|점수|평가"
)
_IS = (
    r"(?:\s*(?:\bis\b|\bwas\b|\bwould\s+be\b|\bwill\s+be\b|\bremains\b|\bist\b|\best\b|\bes\b|"
    r"\bè\b|\bé\b|\blautet\b|[:：=]|->|→|⇒|是|为|は|[은는]))+"
)
_OPEN = r"[\s\"'“‘*_`(\[{$]*(?:\ban?\s+)?"
_NAMED = rf"\b(?:{_NOUNS})[\"'”’*_`)\]]*(?:\s*[(\[][^()\[\]\n]*[)\]])?[\"'*_`]*"
_VERBS = (
    r"rate|score|give|choose|pick|select|answer|say|assign|go\s+with|go\s+for|respond\s+with|"
    r"reply\s+with|put|settle\s+on"
)
_MARKED = (
    rf"{_NAMED}{_IS}{_OPEN}{_VALUE}{_OF}{_THEN}",
    rf"{_NAMED}\s+(?:(?:of|de|von|di)\s+)?[*_`\"']*{_VALUE}{_OF}[*_`\"'.]*\s*$",
    r"\bI(?:['’]d|['’]ll|\s+would|\s+will|\s+do)?(?:\s+\w+){0,2}?"
    rf"\s+(?:{_VERBS})(?:\s+(?:this|that|it|them|(?:the|my)\s+\w+))?"
    rf"(?:\s+(?:as|an?|at|with|the|number|rating|score|of))*(?:\s*:)?{_OPEN}{_VALUE}{_OF}{_THEN}",
    rf"(?<![\w*])(?P<q>\*{{1,3}}|_{{1,3}}|`){_VALUE}{_OF}\.?(?P=q)(?![\w*])",
)
_NO_RATING = rf"{_NAMED}{_IS}{_OPEN}(?:n/?a|none|null|unknown|undefined|not\s+applicable)\b"
_CONCLUDED = (
    rf"\b(?:final|definitive|endgültige|finale|última)\s+{_NAMED}{_IS}{_OPEN}{_VALUE}{_OF}{_THEN}",
    rf"最终(?:{_NOUNS}){_IS}{_OPEN}{_VALUE}{_OF}{_THEN}",
    rf"\\boxed\s*\{{\s*(?:\\text\s*\{{)?\s*{_VALUE}{_OF}\s*\}}",
    rf"^####\s+{_VALUE}{_OF}\s*$",
    rf"<(?P<tag>answer|rating|score|final)\b[^<>]*>\s*{_VALUE}{_OF}\s*</(?P=tag)>",
)
# The prompts ask for a reply that begins with the rating: "4. Because ...", "4, since ...".
_FIRST = re.compile(
    rf"[\s\"'“(*_`]*(?P<n>{_N})[*_`\"')]*(?:\s*[.:;,–—-]+\s*|\s*\n\s*)[*_]*"
    r"(?!(?:no|maybe|perhaps|or|actually|well|hmm|wait|possibly)\b)(?=[^\W\d_])",
    re.IGNORECASE,
)
_ONLY = re.compile(r"[\W_]*[0-9]+[\W_]*")
_FRACTION = rf"(?<![\w.,])[0-9]+(?:\s*/\s*[0-9]+)+(?!{_JOINS})"
_OUT_OF = rf"{_N},?\s+(?:out\s+of|of|von|sur|su|de|из)\s+(?:a\s+possible\s+|the\s+)?{_N}"


@dataclass(frozen=True, slots=True)
class Found:
    """The rating of a reply, None where it holds none, and how it was read."""

    rating: int | None
    read_from: str


def read_rating(reply: str | None, scale: Scale, *, thought: bool = False) -> Found:
    """Return the rating that a reply holds.

    Thoughts are no part of the answer, and a reply whose thoughts never end has none. ``thought``
    says that the server returned thoughts beside the reply.
    """
    bare = (reply or "").strip()
    if bare.isascii() and bare.isdigit():  # nearly every reply
        rating = int(bare) if bare in map(str, scale.ratings) else None
        return Found(rating, AFTER_THOUGHTS if thought else TOKEN)
    parted = part(reply or "")
    rating = parse_rating(parted.answer, scale)
    if thought or parted.has_thoughts:
        return Found(rating, AFTER_THOUGHTS)
    return Found(rating, TOKEN if _ONLY.fullmatch(parted.answer or "") else REPLY)


def parse_rating(answer: str | None, scale: Scale) -> int | None:
    """Return the rating in an answer without thoughts, None where none or more than one is left.

    Numbers that mention the scale, a range, a fraction or a list are no candidates. The rating is
    the one number that is concluded ("Final answer: 4"), else the one that is marked ("Rating: 4",
    "**4**", "4. Because ..."), else the one distinct number of the scale.
    """
    if not answer:
        return None
    text = _without_lists(_without_other_numbers(answer.translate(FULL_WIDTH), scale))
    values = {rating: str(rating) for rating in scale.ratings}
    exact = _dropped(text, *_HEDGED, mark=INEXACT)
    for patterns in (_CONCLUDED, _MARKED):
        marked = {_value(match, scale) for match in _matches(patterns, exact, scale)}
        if patterns is _MARKED:
            marked |= _first(exact, scale)
        if marked:
            (only,) = marked if len(marked) == 1 else (None,)
            return only
    if _compiled(_NO_RATING).search(text):
        return None
    text = _dropped(text, _FRACTION, _OUT_OF)
    found = set(_numbers(text))
    candidates = [rating for rating, digits in values.items() if digits in found]
    return candidates[0] if len(candidates) == 1 else None


def _numbers(text: str) -> list[str]:
    """Return the whole numbers of a text, 4.0 as 4."""
    return re.findall(rf"{_BEFORE}([0-9]+)(?:\.0+)?{_AFTER}", text)


def _value(match: re.Match[str], scale: Scale) -> int | None:
    """Return a marked number as a rating, None where it is none: 3.5, or 7 on 0 to 5."""
    digits = re.fullmatch(r"(0|[1-9][0-9]*)(?:\.0+)?", match["n"])
    if digits is None or int(digits[1]) not in scale:
        return None
    return int(digits[1])


def _first(text: str, scale: Scale) -> set[int | None]:
    """Return the rating that a reply begins with; a 1 before others may begin a list."""
    match = _FIRST.match(text)
    if match is None:
        return set()
    begins_list = match["n"] == "1" and len(set(_numbers(text))) > 1
    return set() if begins_list else {_value(match, scale)}


def _without_other_numbers(text: str, scale: Scale) -> str:
    """Drop numbers of ranges, mentions of the scale, labels, denials and inequalities."""
    whole = (str(scale.minimum), str(scale.maximum))

    def masked(match: re.Match[str]) -> str:
        return DROPPED if match.groups() == whole else INEXACT

    text = _dropped(text, *_SCALE[1:])
    text = _dropped(text, *_LISTS)
    for pattern in _RANGES:
        text = _compiled(pattern).sub(masked, text)
    text = _dropped(text, _SCALE[0], *_LABELS, *_NOT, *_COUNTS)
    return _dropped(text, *_INEQUALITIES, mark=INEXACT)


def _without_lists(text: str) -> str:
    """Drop the markers of lists, each one more or one less than the last, and of meanings."""
    for pattern in (*_MARKERS, *_MEANINGS):
        found = list(pattern.finditer(text))
        numbers = [int(match[1]) for match in found]
        steps = {abs(b - a) for a, b in pairwise(numbers)}
        if steps == {1} or (pattern in _MEANINGS and len(set(numbers)) > 1):
            for match in reversed(found):
                text = text[: match.start(1)] + DROPPED + text[match.end(1) :]
    return text


def _dropped(text: str, *patterns: str, mark: str = DROPPED) -> str:
    for pattern in patterns:
        text = _compiled(pattern).sub(mark, text)
    return text


def _matches(patterns: tuple[str, ...], text: str, scale: Scale) -> list[re.Match[str]]:
    """Return the marked numbers; a fraction is one where it is of the scale: 4/5 on 0 to 5."""
    found = [match for pattern in patterns for match in _compiled(pattern).finditer(text)]
    return [match for match in found if match["most"] in (None, str(scale.maximum))]


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)
