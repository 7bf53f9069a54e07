"""Pictures of the page: each figure inline, as SVG in the page's own colours.

Text and lines take the page's ink, so that a figure can be read in dark mode, too. Names of ids and
classes begin with the figure's number, because those of two pictures of one page must differ.
"""

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from persona_collapse.common.errors import UserError
from persona_collapse.figures.style import FONT_STACK, HEADING, INK, THEMED

LARGEST = 400_000  # characters of SVG; a larger picture is embedded as its PNG
PIXELS_PER_POINT = 1.65  # a quarter above 96 dpi: figures sized for print are small on screens
COLOURS = {INK: "currentColor"} | {colour: f"var(--{name})" for name, colour in THEMED.items()}
DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
# What the page takes over of a file; all else, such as metadata and scripts, is left out.
SHAPES = {"g", "defs", "clipPath", "pattern", "path", "rect", "use", "image", "text", "tspan"}
REFERENCE = re.compile(r"^#([\w-]+)$|url\(#([\w-]+)\)")
# What matplotlib sets for all elements, and the font of all texts.
ROOT_STYLE = f"stroke-linejoin:round;stroke-linecap:butt;font-family:{FONT_STACK}"
# Matplotlib's background of the whole figure: the page has its own.
BACKGROUND = "figure_1/patch_1"


@dataclass(frozen=True)
class Picture:
    """A figure as the page embeds it.

    Attributes:
        shapes: What is drawn, as the markup inside an ``svg`` element.
        view: That element's ``viewBox``.
        image: The data URI of its PNG instead, where the SVG would be too large.
        width: In pixels of the page; None where the file does not state one.
        finding: The sentence in the file's title; "" without one.
    """

    shapes: str
    view: str
    image: str
    width: int | None
    finding: str


def picture(stem: str, number: int) -> Picture:
    """Return the figure in ``<stem>.svg``, which is number ``number`` of the page.

    Raises:
        UserError: the file is missing or no SVG.
    """
    path, png = Path(f"{stem}.svg"), Path(f"{stem}.png")
    try:
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise UserError(f"{path}: the figure cannot be read ({fault.strerror})") from None
    except ElementTree.ParseError as fault:
        raise UserError(f"{path}: the figure is no SVG ({fault}); make it again") from None
    # An agent, such as the file's creator, has a title, too.
    titles = (part.find(DC_TITLE) for part in root.iter() if not part.tag.endswith("}Agent"))
    finding = next((title.text or "" for title in titles if title is not None), "")
    wide = re.fullmatch(r"([\d.]+)pt", root.get("width", ""))
    width = round(float(wide[1]) * PIXELS_PER_POINT) if wide else None
    shapes = _Copy(root, f"f{number}").markup()
    if len(shapes) > LARGEST and png.is_file():
        image = f"data:image/png;base64,{base64.b64encode(png.read_bytes()).decode()}"
        return Picture("", "", image, width, finding)
    return Picture(shapes, root.get("viewBox", ""), "", width, finding)


class _Copy:
    """A copy of a file's shapes: short, in the page's colours, with names of its own."""

    def __init__(self, root: Element, name: str) -> None:
        self.root, self.name = root, name
        self.classes: dict[str, str] = {}  # by what the style attribute says
        self.used = {
            first or second
            for element in root.iter()
            for value in element.attrib.values()
            for first, second in REFERENCE.findall(value)
        }

    def markup(self) -> str:
        """Return the shapes after a style sheet of their classes."""
        shapes = [shape for child in self.root for shape in self._shapes(child, "")]
        style = Element("style")
        rules = (f".{name}{{{self._declared(text)}}}" for text, name in self.classes.items())
        style.text = "".join(rules)
        return "".join(ElementTree.tostring(e, encoding="unicode") for e in (style, *shapes))

    def _shapes(self, element: Element, above: str) -> list[Element]:
        """Return an element's copy, or those of its children where it says nothing itself."""
        tag = element.tag.rpartition("}")[2]
        place = f"{above}/{element.get('id', '')}".strip("/")
        if tag not in SHAPES or place == BACKGROUND:
            return []
        children = [shape for child in element for shape in self._shapes(child, place)]
        attributes = dict(self._attributes(element))
        if not attributes and (tag == "g" or not children):
            return children
        copy = Element(tag, attributes)
        copy.text = element.text if tag in ("text", "tspan") else None
        copy.extend(children)
        return [copy]

    def _attributes(self, element: Element) -> list[tuple[str, str]]:
        found = []
        for key, value in element.attrib.items():
            key = key.rpartition("}")[2]
            if key in ("style", "fill"):
                style = value if key == "style" else f"fill: {value}"
                found.append(("class", self._class(style)))
            elif key == "d":
                found.append((key, _short(value)))
            elif key == "id":
                found += [(key, f"{self.name}-{value}")] if value in self.used else []
            elif key == "href":
                found.append((key, re.sub("^#", f"#{self.name}-", value)))
            elif not key.startswith("on") and not value.startswith("rotate(-0 "):
                found.append((key, self._renamed(value)))
        return found

    def _class(self, style: str) -> str:
        return self.classes.setdefault(style, f"{self.name}-{len(self.classes)}")

    def _renamed(self, value: str) -> str:
        return value.replace("url(#", f"url(#{self.name}-")

    def _declared(self, style: str) -> str:
        """Return a style attribute's declarations in the page's colours and names."""
        style = self._renamed(style).replace(f"font-family: {FONT_STACK}", "")
        style = re.sub(r"\s*([:;])[\s;]*", r"\1", style)
        style = re.sub(r"(?<=font-size:)[\d.]+px", _text_size, style)
        return re.sub(r"#[0-9a-f]{6}\b", lambda colour: COLOURS.get(colour[0], colour[0]), style)


def _text_size(size: re.Match[str]) -> str:
    """Return a font size that a wide page can reduce, if it is larger than that of headings.

    Figures with such texts are made for phones, too.
    """
    large = float(size[0].removesuffix("px")) > HEADING
    return f"calc({size[0]}*var(--text,1))" if large else size[0]


def _short(path: str) -> str:
    """Return the commands of a path to a hundredth of a point, without needless spaces.

    A line that ends where it begins is a dot with round ends: it is written as ``h0``.
    """

    def rounded(number: re.Match[str]) -> str:
        return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")

    path = re.sub(r"\s+(?=[A-Za-z]|$)|(?<=[A-Za-z])\s+", "", re.sub(r"-?\d+\.\d+", rounded, path))
    return re.sub(r"M([-\d.]+ [-\d.]+)L\1(?![\d.])", r"M\1h0", path)
