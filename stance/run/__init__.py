"""Run: many inputs, or one huge one, to many tables that survive whatever ends the program.

``plan`` cuts the inputs into units, ``parts`` reads a unit into parts of a shard each, ``shards`` writes a shard,
``work`` keeps count of what is left, and an engine (``local``, ``cluster``) hands the parts out. What stands in the
output depends on inputs and settings alone, never on the engine, its workers, or where a run before broke off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from stance.run.folder import lock_folder, make_folders, remove_leftovers, remove_others
from stance.run.plan import Settings, Unit, find_inputs, list_units
from stance.run.work import Report, Summary

Engine = Callable[[Sequence[Unit], Settings, Report], Summary]


def run_inputs(
    paths: Sequence[Path], settings: Settings, engine: Engine, report: Report, share: tuple[int, int] = (1, 1)
) -> Summary:
    """Bring the output up to date with the inputs, or with share (i, n) the i-th of n shares of it.

    Shards that no input accounts for are removed, unless this is a share. StanceError for inputs that are not there,
    and where another run is at work on the same output.
    """
    files = find_inputs(paths, settings.output)
    make_folders(settings.output)
    with lock_folder(settings.output, share):
        units = list_units(files, settings, share)
        remove_leftovers(settings.output, {unit.key for unit in units})
        summary = engine(units, settings, report)
        if share[1] > 1:
            return summary
        return replace(summary, removed=remove_others(settings.output, summary.parts))
