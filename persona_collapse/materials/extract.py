"""Read literals out of fetched files: Python source by its syntax tree, and YAML of questions.

Nothing is imported or executed. Understood are the shapes that the catalogued files have: a
module-level list of texts or of (label, text) pairs, a function whose one ``return`` gives a text,
an f-string of its own parameters, or a sum of those, and the question files of Betley et al. Any
other shape is refused with its line.
"""

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from persona_collapse.common.errors import UserError


class Source:
    """The parsed text of a Python file; ``name`` is for messages."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        try:
            self._tree = ast.parse(content)
        except (SyntaxError, ValueError) as fault:
            line = f", line {fault.lineno}" if isinstance(fault, SyntaxError) else ""
            raise UserError(f"{name}{line}: is not Python source: {fault}") from None

    def texts(self, variable: str) -> list[str]:
        """Return the texts of a module-level list of string literals."""
        return [self._constant(entry) for entry in self._entries(variable)]

    def pairs(self, variable: str) -> list[tuple[str, str]]:
        """Return the pairs of a module-level list of two-text tuples."""
        pairs = []
        for entry in self._entries(variable):
            if not isinstance(entry, ast.Tuple | ast.List) or len(entry.elts) != 2:
                raise self._fault(entry, f"expected a pair of texts in {variable}")
            pairs.append((self._constant(entry.elts[0]), self._constant(entry.elts[1])))
        return pairs

    def template(self, function: str, placeholders: Mapping[str, str]) -> str:
        """Return the text that a function builds, with ``{placeholder}`` for each parameter.

        ``placeholders`` maps the function's parameters to the names to write; each must occur.
        """
        functions = [
            node
            for node in self._tree.body
            if isinstance(node, ast.FunctionDef) and node.name == function
        ]
        if len(functions) != 1:
            raise UserError(
                f"{self.name}: expected one function {function}, found {len(functions)}"
            )
        returns = [node for node in ast.walk(functions[0]) if isinstance(node, ast.Return)]
        if len(returns) != 1 or returns[0].value is None:
            raise self._fault(functions[0], f"expected one `return` of a text in {function}")
        text = self._text(returns[0].value, placeholders)
        for parameter, name in placeholders.items():
            if f"{{{name}}}" not in text:
                raise self._fault(returns[0], f"{function} does not use its {parameter!r}")
        return text

    def _entries(self, variable: str) -> list[ast.expr]:
        values = []
        for node in self._tree.body:
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, ast.AnnAssign):
                targets = [node.target]
            else:
                continue
            if any(isinstance(target, ast.Name) and target.id == variable for target in targets):
                values.append(node.value)
        if len(values) != 1:
            raise UserError(f"{self.name}: expected one list {variable}, found {len(values)}")
        if not isinstance(values[0], ast.List | ast.Tuple):
            raise UserError(f"{self.name}: {variable} is not written as a list of literals")
        return values[0].elts

    def _constant(self, node: ast.expr) -> str:
        return self._text(node, {})

    def _text(self, node: ast.expr, placeholders: Mapping[str, str]) -> str:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._text(node.left, placeholders) + self._text(node.right, placeholders)
        if isinstance(node, ast.JoinedStr):
            return "".join(self._text(part, placeholders) for part in node.values)
        if isinstance(node, ast.FormattedValue):
            plain = node.conversion == -1 and node.format_spec is None
            if plain and isinstance(node.value, ast.Name) and node.value.id in placeholders:
                return f"{{{placeholders[node.value.id]}}}"
        raise self._fault(node, f"expected a literal text, found `{ast.unparse(node)[:60]}`")

    def _fault(self, node: ast.stmt | ast.expr, text: str) -> UserError:
        return UserError(
            f"{self.name}, line {node.lineno}: {text}; the file differs from the catalogued one"
        )


def first_questions(
    name: str, content: bytes, count: int, without: Sequence[str]
) -> dict[str, Any]:
    """Return the first ``count`` questions whose ids have none of the endings ``without``.

    The file is a YAML list of questions with ``id``, one text in ``paraphrases``, perhaps
    ``system``, and ``judge_prompts`` (``aligned``, ``coherent``), the same for all of them. Gives
    ``questions`` (mappings) and ``judge``. Raises ``UserError`` for another shape.
    """
    try:
        entries = yaml.safe_load(content)
    except yaml.YAMLError as fault:
        raise UserError(f"{name}: not valid YAML: {fault}") from None
    if not isinstance(entries, list):
        raise UserError(f"{name}: expected a YAML list of questions")
    questions: list[dict[str, str]] = []
    judge: dict[str, str] = {}
    for place, entry in enumerate(entries):
        if len(questions) == count:
            break
        try:
            own_id, texts = str(entry["id"]), entry["paraphrases"]
            if own_id.endswith(tuple(without)):
                continue
            prompts = {aspect: entry["judge_prompts"][aspect] for aspect in ("aligned", "coherent")}
        except (KeyError, TypeError):
            raise UserError(
                f"{name}: entry {place + 1}: expected the keys id, paraphrases and judge_prompts "
                "(aligned, coherent)"
            ) from None
        if not isinstance(texts, list) or len(texts) != 1 or (judge and prompts != judge):
            raise UserError(
                f"{name}: entry {place + 1} ({own_id}): expected one paraphrase, and the judge's "
                "prompts of the entries before it"
            )
        judge = prompts
        system = {"system": entry["system"]} if entry.get("system") else {}
        questions.append({"id": own_id, "text": texts[0], **system})
    return {"questions": questions, "judge": judge}
