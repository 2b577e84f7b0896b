"""Pages that stand alone: one file with its style and its script, that loads nothing.

Whatever stands in a thread is hostile text: templates escape all of it, and the page's own policy
(Content-Security-Policy) lets nothing run but the one script, allowed by its hash, and nothing load from anywhere.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from stance.files import open_replacing
from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError

if TYPE_CHECKING:
    from jinja2 import Environment

_SHARED = Path(__file__).parent / "templates"  # base.html, which pages extend, and their common style


def render_page(templates: Path, name: str, context: dict[str, Any], script: str = "", style: str = "") -> bytes:
    """The template ``name`` of the folder as a page in UTF-8.

    ``script`` names a file of the folder that runs in the page, ``style`` one whose rules come after the common ones.
    The template must print ``script`` itself: ``<script>{{ script|safe }}</script>``, at its end.
    """
    code = (templates / script).read_text(encoding="utf-8") if script else ""
    rules = (_SHARED / "style.css").read_text(encoding="utf-8")
    if style:
        rules += (templates / style).read_text(encoding="utf-8")
    digest = b64encode(hashlib.sha256(code.encode("utf-8")).digest()).decode("ascii")
    own = {"style": rules, "script": code, "script_hash": digest}
    page = page_environment(templates).get_template(name).render(context | own)
    return page.encode("utf-8", "replace")  # a lone surrogate in a title must not stop a report


@cache
def page_environment(templates: Path) -> Environment:
    """Jinja2 for a folder of templates and the shared ones: everything is escaped, an unknown name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([templates, _SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "probability": probability, "plain": plain_name}
    environment.globals |= {"STANCES": STANCES, "TOXICITY": TOXICITY, "SENTIMENTS": SENTIMENTS}
    return environment


def probability(value: float) -> str:
    """Two decimals without the leading zero: ".07"; "1.0" from .995."""
    return "1.0" if value >= 0.995 else f"{value:.2f}".removeprefix("0")


class _Interval(Protocol):
    """A share of posts with its interval, each from 0 to 1."""

    @property
    def share(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def percent(share: _Interval) -> str:
    """A share with its interval: "29% (17 to 44)"."""
    return f"{share.share:.0%} ({share.low * 100:.0f} to {share.high * 100:.0f})"


def plain_name(name: str) -> str:
    """An attribute's name as words: "identity attack"."""
    return name.replace("_", " ")


def make_directory(directory: Path) -> None:
    """Make a folder for results; StanceError where it cannot be."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StanceError(f"{directory}: cannot be made ({error.strerror}). Name another place with -o.") from error


def write_file(path: Path, written: bytes) -> None:
    """Write a file that appears whole or not at all."""
    with open_replacing(path) as file:
        file.write(written)
