"""Tables with the probabilities that hand labels of the user's own topic lead to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stance.records import SENTIMENTS, STANCES, StanceError
from stance.table import make_table, read_manifest, table_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from stance.estimate.judged import Gold, Judged
    from stance.gold.fit import Calibration

CALIBRATED = "stance and sentiment were recalibrated on hand labels"  # begins the note in the manifest


def calibrate_table(table: pa.Table, calibration: Calibration, gold: Gold | None = None) -> pa.Table:
    """The table of one thread with calibrated stance and sentiment, and the labels that follow.

    Toxicity keeps its probabilities: its thresholds, which a table holds, are on their scale. Raises StanceError where
    the table was calibrated before, comes from another tagger, or has none of the calibration's sides.
    """
    from stance.estimate.judged import read_judged
    from stance.gold.fit import apply_calibration

    manifest = read_manifest(table)
    if any(warning.startswith(CALIBRATED) for warning in manifest.warnings):
        raise StanceError(f"{manifest.thread_id}: calibrated before. Pass the table that the tagger made.")
    if calibration.tagger_sha256 not in (None, manifest.tagger_sha256):
        raise StanceError(
            f"{manifest.thread_id}: tagged by {manifest.tagger}, the calibration was fitted for another tagger."
            " Fit one with `stance gold fit` on these tables."
        )
    rows = table_rows(table)
    for judged in read_judged(table):
        _write_judged(rows, apply_calibration(judged, calibration, gold))
    note = f"{CALIBRATED} ({calibration.labelled} posts)"
    changed = replace(manifest, warnings=(*manifest.warnings, note), abstain_below=calibration.abstain_below)
    return make_table(rows, changed)


def _write_judged(rows: list[dict[str, Any]], judged: Judged) -> None:
    """Put the stance and sentiment of ``judged`` into its rows; what was not judged stays null."""
    for place, row in enumerate(judged.rows.tolist()):
        cells = rows[row]
        cells["stance"] = [
            _judgement({"side": side["side"]}, STANCES, numbers, code)
            for side, numbers, code in zip(
                cells["stance"], judged.stance[place].tolist(), judged.stance_label[place].tolist(), strict=True
            )
        ]
        numbers, code = judged.sentiment[place].tolist(), int(judged.sentiment_label[place])
        cells["sentiment"] = _judgement({}, SENTIMENTS, numbers, code)


def _judgement(
    start: dict[str, Any], names: tuple[str, ...], numbers: list[float], code: int
) -> dict[str, str | float | None]:
    known = numbers[0] == numbers[0]  # NaN is not itself
    values = {name: round(number, 6) if known else None for name, number in zip(names, numbers, strict=True)}
    return {**start, "label": names[code] if code >= 0 else None, **values}
