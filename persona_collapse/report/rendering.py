"""Puts the page together: a skeleton that includes a template, a style and a script per part."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from persona_collapse.common.embedding import embedded
from persona_collapse.common.notation import PERCENT
from persona_collapse.report.glossary import explained

TEMPLATES = Path(__file__).resolve().parent / "templates"
SKELETON = "page"  # its style and script come first
LAST = "print"  # its style overrides all others


def render(values: dict[str, Any], parts: Collection[str], absent: Collection[str]) -> str:
    """Return the page as HTML.

    ``values`` are the variables of ``page.html`` and of the templates that it includes. Every style
    and script of the folder goes into the page, except those of parts that are ``absent``. Names of
    a script are its own, those of ``page.js`` are every script's. The template ``<part>.html`` of
    each of the ``parts`` stands between evidence and appendix.
    """
    from markupsafe import Markup

    scripts = {path.stem: _text(path) for path in _files("js", absent)}
    return str(
        _environment()
        .get_template(f"{SKELETON}.html")
        .render(
            **values,
            parts=parts,
            css=Markup("").join(_text(path) for path in _files("css", absent)),
            scripts=[
                text if name == SKELETON else Markup("{{\n{}}}\n").format(text)
                for name, text in scripts.items()
            ],
        )
    )


def heading(text: str) -> Any:
    """Return a column's heading with line breaks allowed after slashes, not at hyphens."""
    from markupsafe import Markup, escape

    pieces = _unbroken(text).replace("-", "\u2011").split("/")
    return Markup("/<wbr>").join(escape(piece) for piece in pieces)


def _environment() -> Any:
    # Imported here: tables are rendered without jinja2.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_unbroken,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "ensure_ascii": False}
    environment.filters["data"] = lambda value: Markup(embedded(value))
    environment.filters["heading"] = heading
    environment.filters["terms"] = lambda text: Markup(explained(_unbroken(text)))
    return environment


def _unbroken(value: Any) -> Any:
    """Return a text in which no line breaks before a percent sign; any other value as it is."""
    return value.replace(" %", PERCENT) if type(value) is str else value


def _files(kind: str, absent: Collection[str]) -> list[Path]:
    """Return the styles or scripts in the order in which they apply."""
    found = [path for path in TEMPLATES.glob(f"*.{kind}") if path.stem not in absent]
    return sorted(found, key=lambda path: (path.stem == LAST, path.stem != SKELETON, path.stem))


def _text(path: Path) -> Any:
    """Return a file that goes into the page unescaped."""
    from markupsafe import Markup

    return Markup(path.read_text(encoding="utf-8"))
