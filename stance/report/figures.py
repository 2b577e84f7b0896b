"""The pictures of a report, drawn by matplotlib through ``Figure`` only, so that no state outlives a call.

Each figure is drawn twice, since a wide one shrunk to a phone cannot be read. Sizes are points: CSS pixels on the page.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stance.estimate import (
    ABSTAINED,
    HEADS,
    PREDICTED,
    SENTIMENT_OUTCOMES,
    STANCE_OUTCOMES,
    Crossing,
    Row,
    Share,
    cross_stance,
    judged_heads,
    judged_posts,
    present_attributes,
    row_heads,
    split_thread,
    stance_outcome,
)
from stance.records import STANCES
from stance.report.numbers import Numbers, band_words, share_words
from stance.report.picture import NARROW, PALETTE, WIDE, Picture, render_picture
from stance.report.wording import describe_crossings, describe_stance, describe_thread, shorten_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stance.table import Manifest

MARKERS = {"favor": "^", "against": "v", "none": "o", ABSTAINED: "x"}

# Past this many posts a glyph a post is clutter; the thread is drawn in stretches instead.
MOST_GLYPHS = 90
_MOST_STRETCHES = 40
_LEAST_STRETCH = 10  # posts
_LINE = 21  # height of a line
_PANEL = 112  # height of a panel along the thread


def draw_pictures(rows: Sequence[Row], manifest: Manifest, numbers: Numbers) -> list[Picture]:
    """The figures of one thread in the order of the page, as far as the tagger judges what they show."""
    heads = judged_heads(rows)
    if not {"stance", "toxicity"} & set(heads):
        return []
    if "stance" not in heads:
        manifest = replace(manifest, sides=())
    names = [shorten_name(side.name) for side in manifest.sides]
    abstained = [
        sum(stance_outcome(row, side) == ABSTAINED for row in judged_posts(rows)) for side in range(len(names))
    ]
    pictures = []
    if names:
        pictures.append(
            render_picture(
                "stance",
                "Stance toward each side, with 95% intervals",
                describe_stance(names, numbers.stance, abstained),
                lambda width: _draw_stance(names, numbers.stance, abstained, width),
            )
        )
    pictures.append(
        render_picture(
            "thread",
            "Stance and toxicity along the thread",
            describe_thread(rows, manifest),
            lambda width: _draw_thread(rows, manifest, width),
        )
    )
    if names and heads == HEADS:
        crossings = [_cross(rows, side, manifest, numbers) for side in range(len(names))]
        pictures.append(
            render_picture(
                "crossing",
                "Sentiment and toxicity of posts by their stance",
                describe_crossings(names, crossings),
                lambda width: _draw_crossings(names, crossings, width),
            )
        )
    return pictures


def count_stretches(posts: Sequence[Row]) -> int:
    """Into how many stretches a thread of more than MOST_GLYPHS posts is cut."""
    return min(_MOST_STRETCHES, len(posts) // _LEAST_STRETCH)


def _cross(rows: Sequence[Row], side: int, manifest: Manifest, numbers: Numbers) -> list[Crossing]:
    """What is drawn of a side: the stances that posts take, each with the share of toxic ones that the report gives."""
    shares = numbers.crossings[side]
    found = cross_stance(rows, side, manifest.toxicity_threshold)
    return [replace(one, toxic=shares[one.stance]) for one in found if one.stance in shares]


def _draw_stance(
    names: Sequence[str], shares: Sequence[dict[str, Share]], abstained: Sequence[int], width: int
) -> Figure:
    """Bars with whiskers, one group a side; below a bar its sensitivity band, in a corrected one the tagger's share.

    Abstentions stand there where there are some and nothing is corrected: hand labels know none.
    """
    predicted = all(share.basis == PREDICTED for side in shares for share in side.values())
    lines = len(STANCES) + (predicted and any(abstained))
    figure, (axes,) = _new_figure(width, len(names) * (lines + 1) * _LINE + 40, 1)
    left, right = (96, 236) if width == WIDE else (84, 120)
    _place(axes, left, right, top=4, bottom=36)
    line = 0
    for name, side, without in zip(names, shares, abstained, strict=True):
        _write(axes, left - 6, line, name, weight="bold")
        n = max((share.n for share in side.values()), default=1)
        for outcome, share in side.items():
            line += 1
            _draw_share(axes, line, share, PALETTE[outcome])
            _name_outcome(axes, left, line, outcome)
            band = f"; band {band_words(share)}" if share.band is not None else ""
            words = f"{share.count} of {share.n}:  " if share.basis == PREDICTED else ""
            _write_after(axes, line, f"{words}{share_words(share)}{band}" if width == WIDE else share_words(share))
        if lines > len(STANCES):
            line += 1
            axes.barh(line, without / n, height=0.56, color=PALETTE[ABSTAINED], alpha=0.85, linewidth=0)
            _name_outcome(axes, left, line, ABSTAINED)
            _write_after(axes, line, f"{without} of {n}" if width == WIDE else f"{without / n:.0%}")
        line += 1
    _scale_share(axes, line, "share of judged posts")
    return figure


def _draw_share(axes: Axes, line: float, share: Share, colour: str) -> None:
    axes.barh(line, share.share, height=0.56, color=colour, alpha=0.85, linewidth=0)
    if share.band is not None:
        low, high = share.band
        axes.barh(line + 0.38, high - low, left=low, height=0.14, color=colour, alpha=0.45, linewidth=0)
    if share.low < share.high:
        axes.plot([share.low, share.high], [line, line], color=PALETTE["ink"], linewidth=1.3)
        axes.plot([share.low, share.high], [line, line], "|", color=PALETTE["ink"], markersize=7)
    if share.basis != PREDICTED:
        axes.plot([share.count / share.n], [line], "D", color=PALETTE["paper"], mec=PALETTE["ink"], ms=4, zorder=4)


def _name_outcome(axes: Axes, left: float, line: float, outcome: str) -> None:
    _mark(axes, left - 14, line, outcome)
    _write(axes, left - 24, line, outcome)


def _draw_thread(rows: Sequence[Row], manifest: Manifest, width: int) -> Figure:
    """One panel a side over one of toxicity where it is judged: a glyph a post, or bars of stretches."""
    from matplotlib.ticker import MaxNLocator

    posts = [row for row in rows if row["kind"] == "post"]
    titles = [shorten_name(side.name) for side in manifest.sides] + ["Toxicity"] * ("toxicity" in judged_heads(rows))
    panels = len(titles)
    figure, all_axes = _new_figure(width, panels * _PANEL + 34, panels)
    for index, axes in enumerate(all_axes):
        above = index * _PANEL
        _place(axes, left=44, right=12, top=above + 26, bottom=34 + panels * _PANEL - above - _PANEL + 8)
        axes.set_xlim(0, len(posts) + 1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10 if width == WIDE else 5))
        axes.tick_params(length=0, labelbottom=index == panels - 1, labelsize=9.5)
        _strip(axes)
        _title(axes, titles[index])
    all_axes[-1].set_xlabel("posts in the order of the thread", fontsize=10.5)
    if len(posts) <= MOST_GLYPHS:
        _draw_posts(posts, manifest, all_axes)
    else:
        _draw_stretches(posts, manifest, all_axes)
    return figure


def _draw_posts(posts: Sequence[Row], manifest: Manifest, panels: Sequence[Axes]) -> None:
    """Stance as the probability of favor less that of against; toxicity as that of its likeliest attribute."""
    judged = [(place, row) for place, row in enumerate(posts, start=1) if row_heads(row)]
    for side, axes in enumerate(panels[: len(manifest.sides)]):
        axes.axhline(0, color=PALETTE["line"], linewidth=0.8)
        for outcome in STANCE_OUTCOMES:
            chosen = [(place, row["stance"][side]) for place, row in judged if stance_outcome(row, side) == outcome]
            places = [place for place, _ in chosen]
            leans = [judgement["favor"] - judgement["against"] for _, judgement in chosen]
            axes.vlines(places, 0, leans, color=PALETTE[outcome], linewidth=1)
            size = 24 if outcome in ("favor", "against") else 9
            axes.scatter(places, leans, s=size, marker=MARKERS[outcome], color=PALETTE[outcome], zorder=3)
        axes.set_ylim(-1.12, 1.12)
        axes.set_yticks([-1, 0, 1], ["against", "0", "favor"], fontsize=9)
    for axes in panels[len(manifest.sides) :]:
        _draw_toxicity(axes, judged, manifest)


def _draw_toxicity(axes: Axes, judged: Sequence[tuple[int, Row]], manifest: Manifest) -> None:
    """The probability of each post's likeliest attribute; posts with their places."""
    for toxic in (True, False):
        chosen = [
            (place, max(value for value in row["toxicity"].values() if value is not None))
            for place, row in judged
            if bool(present_attributes(row, manifest.toxicity_threshold)) == toxic
        ]
        places, heights = [place for place, _ in chosen], [height for _, height in chosen]
        colour = PALETTE["toxic" if toxic else "none"]
        axes.vlines(places, 0, heights, color=colour, linewidth=2.4 if toxic else 1.2)
        axes.scatter(places, heights, s=24 if toxic else 7, marker="D" if toxic else "o", color=colour, zorder=3)
    axes.set_ylim(0, 1.05)
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"], fontsize=9)
    axes.grid(axis="y", color=PALETTE["line"], linewidth=0.6)
    axes.set_axisbelow(True)


def _draw_stretches(posts: Sequence[Row], manifest: Manifest, panels: Sequence[Axes]) -> None:
    """Shares of favor upward and against downward, and of toxic posts, in runs of consecutive posts."""
    stretches = [one for one in split_thread(posts, count_stretches(posts), manifest.toxicity_threshold) if one.n]
    places = [(one.first + one.last) / 2 + 1 for one in stretches]
    widths = [(one.last - one.first + 1) * 0.82 for one in stretches]
    for side, axes in enumerate(panels[: len(manifest.sides)]):
        favor = [one.stance[side]["favor"] / one.n for one in stretches]
        against = [-one.stance[side]["against"] / one.n for one in stretches]
        axes.bar(places, favor, widths, color=PALETTE["favor"])
        axes.bar(places, against, widths, color=PALETTE["against"])
        axes.axhline(0, color=PALETTE["muted"], linewidth=0.8)
        reach = max(0.1, *favor, *(-share for share in against))
        axes.set_ylim(-reach * 1.08, reach * 1.08)
        axes.set_yticks([-reach, 0, reach], [f"{reach:.0%}", "0", f"{reach:.0%}"], fontsize=9)
        axes.set_title("up: favor, down: against", loc="right", fontsize=9, pad=5, color=PALETTE["muted"])
    for axes in panels[len(manifest.sides) :]:
        toxic = [one.toxic / one.n for one in stretches]
        reach = max(0.1, *toxic)
        axes.bar(places, toxic, widths, color=PALETTE["toxic"])
        axes.set_ylim(0, reach * 1.08)
        axes.set_yticks([0, reach], ["0", f"{reach:.0%}"], fontsize=9)
        _title(axes, "Share of toxic posts")


def _draw_crossings(names: Sequence[str], crossings: Sequence[list[Crossing]], width: int) -> Figure:
    """By stance: bars of sentiment, and the share of toxic posts with its interval, beside or below."""
    lines = [
        (name, [one for one in side if one.toxic is not None]) for name, side in zip(names, crossings, strict=True)
    ]
    rows = sum(1 + len(side) for _, side in lines)
    panel = rows * _LINE + 66
    figure, (tones, toxic) = _new_figure(width, panel if width == WIDE else 2 * panel, 2)
    if width == WIDE:
        _place(tones, 136, 340, top=24, bottom=42)
        _place(toxic, 520, 124, top=24, bottom=42)
    else:
        _place(tones, 136, 22, top=24, bottom=panel + 42)
        _place(toxic, 136, 120, top=panel + 24, bottom=42)
    _title(tones, "Sentiment")
    _title(toxic, "Toxic posts, with 95% interval")
    line = 0
    for name, side in lines:
        _write(tones, 130, line, name, weight="bold")
        if width == NARROW:
            _write(toxic, 130, line, name, weight="bold")
        for crossing in side:
            line += 1
            _draw_tones(tones, line, crossing)
            _draw_toxic(toxic, line, crossing)
            for axes in (tones, toxic) if width == NARROW else (tones,):
                _mark(axes, 122, line, crossing.stance)
                words = f"{crossing.stance}, n = {sum(crossing.sentiment.values())}"
                _write(axes, 112, line, words)
        line += 1
    _scale_share(tones, line, "")
    _name_tones(
        tones, [tone for tone in SENTIMENT_OUTCOMES if any(one.sentiment[tone] for _, side in lines for one in side)]
    )
    _scale_share(toxic, line, "share of posts")
    return figure


def _draw_tones(axes: Axes, line: int, crossing: Crossing) -> None:
    """One bar of sentiment."""
    total, start = sum(crossing.sentiment.values()), 0.0
    for tone, count in crossing.sentiment.items():
        share = count / total
        axes.barh(line, share, height=0.68, left=start, **_tone_style(tone))
        start += share


def _tone_style(tone: str) -> dict[str, Any]:
    """Colour, and strokes through negative and abstained, so that colour is never the only sign."""
    hatches = {"negative": "////", ABSTAINED: "xxxx"}
    return {"facecolor": PALETTE[tone], "hatch": hatches.get(tone), "edgecolor": PALETTE["paper"], "linewidth": 0.8}


def _name_tones(axes: Axes, tones: Sequence[str]) -> None:
    """The key of the sentiment bars, below them; it ends where they end and may begin left of them."""
    from matplotlib.patches import Patch

    keys = [Patch(label=tone, **_tone_style(tone)) for tone in tones]
    below = -20 / (_size(axes)[1] * axes.get_position().height)
    axes.legend(
        handles=keys,
        loc="upper right",
        bbox_to_anchor=(1, below),
        ncols=len(tones),
        frameon=False,
        fontsize=9.5,
        handlelength=1.1,
        columnspacing=0.9,
        handletextpad=0.4,
        borderpad=0,
        borderaxespad=0,
    )


def _draw_toxic(axes: Axes, line: int, crossing: Crossing) -> None:
    share = crossing.toxic
    if share is None:
        return
    axes.plot([share.low, share.high], [line, line], color=PALETTE["toxic"], linewidth=1.4)
    axes.plot([share.share], [line], "D", color=PALETTE["toxic"], markersize=5, clip_on=False)
    _write_after(axes, line, share_words(share))


# --- shared parts: sizes are points, from the edge of the figure or of the axes ---


def _new_figure(width: int, height: int, panels: int) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72), facecolor="none")
    axes = [figure.add_axes((0, 0, 1, 1), facecolor="none", label=str(index)) for index in range(panels)]
    return figure, axes


def _place(axes: Axes, left: float, right: float, top: float, bottom: float) -> None:
    """Give the axes these margins."""
    width, height = _size(axes)
    axes.set_position((left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height))


def _size(axes: Axes) -> tuple[float, float]:
    """Width and height of the whole figure."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # only of axes that were removed
    return float(figure.get_figwidth() * 72), float(figure.get_figheight() * 72)


def _left_of(axes: Axes, points: float) -> float:
    """The fraction of the axes' width that lies so far left of them."""
    return -points / (_size(axes)[0] * axes.get_position().width)


def _write(axes: Axes, points: float, line: float, words: str, **style: Any) -> None:
    """Words on a line, beginning so far left of the axes."""
    axes.text(_left_of(axes, points), line, words, transform=axes.get_yaxis_transform(), va="center", **style)


def _write_after(axes: Axes, line: float, words: str) -> None:
    """Words on a line, right of the axes and of a mark on their edge."""
    axes.text(1 + _left_of(axes, -9), line, words, transform=axes.get_yaxis_transform(), va="center")


def _mark(axes: Axes, points: float, line: float, outcome: str) -> None:
    """The outcome's own shape, so that colour is never the only sign."""
    style: dict[str, Any] = {"color": PALETTE[outcome], "markersize": 6, "clip_on": False}
    axes.plot([_left_of(axes, points)], [line], MARKERS[outcome], transform=axes.get_yaxis_transform(), **style)


def _scale_share(axes: Axes, lines: int, label: str) -> None:
    """From 0 to 100% across, the first line on top."""
    axes.set_xlim(0, 1)
    axes.set_ylim(lines - 0.4, -0.6)
    axes.set_yticks([])
    quarters = range(0, 101, 25 if _size(axes)[0] == WIDE else 50)
    axes.set_xticks([part / 100 for part in quarters], [f"{part}" for part in quarters[:-1]] + ["100%"], fontsize=9.5)
    axes.set_xlabel(label, fontsize=10.5)
    axes.grid(axis="x", color=PALETTE["line"], linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    _strip(axes)


def _strip(axes: Axes) -> None:
    """No frame but the line below."""
    for edge in ("left", "right", "top"):
        axes.spines[edge].set_visible(False)


def _title(axes: Axes, words: str) -> None:
    axes.set_title(words, loc="left", fontsize=11.5, weight="bold", pad=5, color=PALETTE["ink"])
