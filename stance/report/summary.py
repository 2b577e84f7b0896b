"""A report in a page of Markdown, for a repository or an e-mail."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from stance.estimate import PREDICTED, Share
from stance.html import plain_name
from stance.report.numbers import ANY, NEXT_STEP, Numbers, band_words, share_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stance.report.numbers import Status
    from stance.table import Manifest

# What Markdown and the HTML in it give a meaning to, and what makes a link of plain text. No line begins with text of
# the thread, so marks of lists need no escape.
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#!|~$^@&]|:(?=\S)|(?<=www)\.)", re.IGNORECASE)


def write_summary(manifest: Manifest, numbers: Numbers, context: Mapping[str, Any]) -> bytes:
    """The summary in UTF-8; ``context`` is the page's."""
    title = escape_text(manifest.title or manifest.thread_id or "thread")
    lines = [f"# Stance report: {title}", "", *_tell_counts(manifest, context), ""]
    if numbers.shares:
        lines += ["## In short", "", *(f"- {line}" for line in _tell_findings(manifest, numbers)), ""]
        lines += ["## Shares of judged posts", "", *_list_table(manifest, numbers), ""]
        lines += [_tell_basis(context["status"]), ""]
    lines += ["## Limits", "", *(f"- {line}" for line in _tell_limits(manifest, numbers, context)), ""]
    lines += [
        "## Files",
        "",
        "- [Report with every post](index.html)" if context["text"] else "- [Report without the words](index.html)",
        "- Tables: [CSV](tags.csv), [JSON lines](tags.jsonl), [Parquet](tags.parquet)",
        "",
        f"Made by threadstance {escape_text(manifest.version)} with the tagger {escape_text(manifest.tagger)}.",
        "",
    ]
    return "\n".join(lines).encode("utf-8", "replace")


def escape_text(text: str) -> str:
    """Text on one line that Markdown, and a browser that shows it, take for text."""
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return _MARKS.sub(r"\\\1", plain)


def _tell_counts(manifest: Manifest, context: Mapping[str, Any]) -> Iterator[str]:
    authors, unknown = len(context["authors"]), context["unknown"]
    parts = [f"{len(context['posts'])} posts", f"{context['judged']} of them judged", f"{authors} named authors"]
    parts += [f"{unknown.posts} posts of unknown authors"] if unknown else []
    yield f"{', '.join(parts)}. Topic: {escape_text(manifest.topic)}."
    if manifest.source:
        yield f"Source: {escape_text(manifest.source)}."
    if manifest.gaps:
        yield f"Missing from the source: {escape_text(', '.join(manifest.gaps))}."


def _tell_findings(manifest: Manifest, numbers: Numbers) -> Iterator[str]:
    """What can be said in a line: who is for and against, where the intervals leave it open, how much is toxic."""
    for side, shares in zip(manifest.sides, numbers.stance, strict=False):
        favor, against = shares.get("favor"), shares.get("against")
        if favor is None or against is None:
            continue
        told = f"{escape_text(side.name)}: {share_words(favor)} in favor, {share_words(against)} against"
        if _reach(favor)[0] > _reach(against)[1]:
            told += "; more in favor than against"
        elif _reach(against)[0] > _reach(favor)[1]:
            told += "; more against than in favor"
        elif favor.share != against.share:
            told += "; the ranges overlap, so which is larger stays open"
        yield f"{told} ({_bases(favor, against)})."
    toxic = numbers.toxicity.get(ANY)
    if toxic is not None:
        band = f", sensitivity band {band_words(toxic)}" if toxic.band is not None else ""
        yield f"Toxic posts: {share_words(toxic)}{band} ({toxic.basis})."


def _reach(share: Share) -> tuple[float, float]:
    """The widest range that the report gives for a share."""
    low, high = share.band or (share.low, share.high)
    return min(low, share.low), max(high, share.high)


def _bases(*shares: Share) -> str:
    return ", ".join(dict.fromkeys(share.basis for share in shares))


def _list_table(manifest: Manifest, numbers: Numbers) -> Iterator[str]:
    banded = any(share.band is not None for share in numbers.shares)
    yield f"| what | posts labelled so | of | share, 95% interval |{' band |' if banded else ''} rests on |"
    yield f"| --- | ---: | ---: | --- |{' --- |' if banded else ''} --- |"
    for side, shares in zip(manifest.sides, numbers.stance, strict=False):
        for outcome, share in shares.items():
            yield _table_line(f"{escape_text(side.name)}: {outcome}", share, banded)
    for name, share in numbers.toxicity.items():
        yield _table_line(f"toxic: {'any attribute' if name == ANY else plain_name(name)}", share, banded)
    for name, share in numbers.sentiment.items():
        yield _table_line(f"sentiment: {name}", share, banded)


def _table_line(name: str, share: Share, banded: bool) -> str:
    band = (band_words(share) or "none",) if banded else ()
    cells = (name, str(share.count), str(share.n), share_words(share), *band, share.basis)
    return f"| {' | '.join(cells)} |"


def _tell_basis(status: Mapping[str, Status]) -> str:
    parts = (("Stance", status["stance"]), ("Toxicity and sentiment", status["tone"]))
    told = " ".join(f"{name}: {one.pill}." for name, one in parts)
    if any(one.banded for _, one in parts):
        told += " Band: where the share lies, in percent, if one assumes that the tagger errs here as on its test sets."
    return told if all(one.validated for _, one in parts) else f"{told} {NEXT_STEP}"


def _tell_limits(manifest: Manifest, numbers: Numbers, context: Mapping[str, Any]) -> Iterator[str]:
    if any(share.basis == PREDICTED for share in numbers.shares):
        yield "Predicted shares can be off by more than their intervals say: these hold the number of posts only."
    yield "The label of a single post is predicted; taggers fail most at sarcasm, reported speech and in-group terms."
    if not context["text"]:
        yield "Made without text: the words of posts and article are left out."
    for language, count in context["foreign"]:
        posts = "post" if count == 1 else "posts"
        yield f"{count} {posts} in the language {escape_text(language)} are not judged: the tagger does not read it."
    for warning in manifest.warnings:
        yield f"Warning: {escape_text(warning)}"
