"""Whether the derived SEVERE_TOXICITY of ``stance serve`` ranks severe comments better than toxicity alone.

    python tests/bench/severe.py [DATA]

On the test split of ``toxicity/jigsaw_multilabel`` in DATA (default ``../shared/data``): ROC AUC with 95% intervals.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

from stance.gold import measure_auc
from stance.records import TOXICITY
from stance.serve.perspective import severe_toxicity
from stance.tagger import load_tagger


def main(data: Path) -> None:
    """Print a line for toxicity alone and one for the derived score."""
    with gzip.open(data / "toxicity" / "jigsaw_multilabel.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [row for row in map(json.loads, file) if row["split"] == "test"]
    severe = [int(row["labels"].get("severe_toxic", 0)) for row in rows]
    judged = load_tagger().predict([row["text"][:5000] for row in rows], []).toxicity
    scores = [dict(zip(TOXICITY, map(float, one), strict=True)) for one in judged]
    print(f"{len(rows):,} comments, {sum(severe)} severe")  # noqa: T201
    for name, values in (
        ("toxicity", [one["toxicity"] for one in scores]),
        ("derived", [severe_toxicity(one) for one in scores]),
    ):
        found = measure_auc(severe, values)
        print(f"{name:10} {found.value:.3f}  [{found.low:.3f}, {found.high:.3f}]")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data"))
