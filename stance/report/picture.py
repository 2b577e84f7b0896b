"""A drawn figure made fit for a page that is light or dark, wide or narrow, and for files of its own."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxml.etree import _Element
    from matplotlib.figure import Figure

# Okabe and Ito's blue and vermillion: told apart under every common colour blindness; shapes say the same again.
# In the page each value becomes the CSS variable of its name, which the style sheet sets for light and for dark:
# so every value must be unique here.
PALETTE = {
    "ink": "#1b1f24",
    "muted": "#57606a",
    "line": "#d0d7de",
    "paper": "#ffffff",
    "favor": "#0072b2",
    "against": "#d55e00",
    "none": "#7d8590",
    "abstained": "#a9a9b4",
    "toxic": "#a23b7f",
    "negative": "#5d3a9b",
    "neutral": "#b4bac2",
    "positive": "#009e73",
}

WIDE, NARROW = 820, 340  # CSS pixels: points of the drawing

_SVG = "{http://www.w3.org/2000/svg}"
_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_FONTS = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
_VARIABLES = {colour: f"var(--{name})" for name, colour in PALETTE.items()}
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: crisp, small, in the page's own font
    "svg.hashsalt": "stance",  # names inside the file, else random: the same rows give the same bytes
    "text.parse_math": False,  # a side may be named "$x$"
    "font.size": 11.5,
    "hatch.linewidth": 0.8,
    "axes.linewidth": 0.8,
    "axes.edgecolor": PALETTE["line"],
    "axes.labelcolor": PALETTE["muted"],
    "text.color": PALETTE["ink"],
    "xtick.color": PALETTE["muted"],
    "ytick.color": PALETTE["muted"],
}


@dataclass(frozen=True, slots=True)
class Picture:
    """One figure, ready for the page and for files."""

    name: str  # of its files, and the prefix of every id inside it
    title: str
    description: str  # the figure's numbers in words
    wide: str  # SVG for the page
    narrow: str  # SVG for the page on a small screen
    svg: bytes  # the wide one as a file, on white
    png: bytes


def render_picture(name: str, title: str, description: str, draw: Callable[[int], Figure]) -> Picture:
    """Draw at both widths; ``draw`` gets the width in points."""
    from lxml import etree
    from matplotlib import rc_context

    with rc_context(_SETTINGS):
        wide = draw(WIDE)
        wide_svg, narrow_svg = _save_svg(wide), _save_svg(draw(NARROW))
        png = io.BytesIO()
        wide.savefig(png, format="png", dpi=160, facecolor=PALETTE["paper"], metadata={"Software": None})
    file = _clean_svg(wide_svg, name, title, description)
    file.set("font-family", _FONTS)
    ground = etree.Element(f"{_SVG}rect", width="100%", height="100%", fill=PALETTE["paper"])
    file.insert(2, ground)  # after title and desc
    return Picture(
        name,
        title,
        description,
        wide=_inline_svg(_clean_svg(wide_svg, f"{name}-wide", title, description)),
        narrow=_inline_svg(_clean_svg(narrow_svg, f"{name}-narrow", title, description)),
        svg=etree.tostring(file, encoding="UTF-8", xml_declaration=True),
        png=png.getvalue(),
    )


def _save_svg(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return file.getvalue()


def _clean_svg(svg: bytes, prefix: str, title: str, description: str) -> _Element:
    """The drawing named for readers of any kind, its ids unique in a page, its fonts left to where it stands."""
    from lxml import etree

    root = etree.fromstring(svg, etree.XMLParser(remove_comments=True, resolve_entities=False, no_network=True))
    for metadata in root.findall(f"{_SVG}metadata"):
        root.remove(metadata)
    for style in root.findall(f"{_SVG}defs/{_SVG}style"):
        style.getparent().remove(style)  # its one rule, for *, would rule the whole page
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    for element in root.iter():
        _clean_element(element, prefix)
    width, height = root.get("viewBox", "").split()[2:]
    root.set("width", width)  # pixels for matplotlib's points
    root.set("height", height)
    root.set("role", "img")
    root.set("aria-labelledby", f"{prefix}-title {prefix}-desc")
    for index, (name, words) in enumerate((("title", title), ("desc", description))):
        element = etree.Element(f"{_SVG}{name}", id=f"{prefix}-{name}")
        element.text = words
        root.insert(index, element)
    etree.cleanup_namespaces(root)
    return root


def _clean_element(element: _Element, prefix: str) -> None:
    link = element.attrib.pop(_XLINK_HREF, None)
    if link is not None:
        element.set("href", f"#{prefix}-{str(link).removeprefix('#')}")
    for name, value in element.attrib.items():
        if name == "id":
            element.set(name, f"{prefix}-{value}")
        elif name in ("style", "clip-path"):
            plain = str(value).replace("url(#", f"url(#{prefix}-")
            plain = re.sub(r"font: (\w+) ([\d.]+px) [^;]+", r"font-weight: \1; font-size: \2", plain)
            element.set(name, re.sub(r"font-family: [^;]+;?", "", plain))


def _inline_svg(root: _Element) -> str:
    """The drawing as a part of a page: colours from the page's variables, groups that only carry an id without it."""
    from lxml import etree

    used = set(re.findall(r"#([\w-]+)", " ".join(str(value) for one in root.iter() for value in one.attrib.values())))
    used |= set(root.get("aria-labelledby", "").split())
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
        colours = {name: str(element.get(name)) for name in ("style", "fill", "stroke") if element.get(name)}
        for name, value in colours.items():
            element.set(name, re.sub(r"#[0-9a-f]{6}\b", lambda match: _VARIABLES.get(match[0], match[0]), value))
    return str(etree.tostring(root, encoding="unicode"))
