"""Count the confusions of a tagger's folder anew and write them into its metrics.json; nothing else changes.

    python tests/bench/confusions.py [MODEL] [DATA]

`stance train` writes them too. Prints what it wrote.
"""

import json
import sys
from pathlib import Path

from stance.tagger.shipped import load_folder
from stance.train.card import add_confusions, write_json

ROOT = Path(__file__).parent.parent.parent


def main() -> None:
    model = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "models" / "minilm-l6"
    data = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT.parent / "shared" / "data"
    tagger = load_folder(model)
    before = json.dumps(tagger.errors)
    add_confusions(tagger.errors, tagger, data)
    write_json(model / "metrics.json", tagger.errors)
    for name, measures in tagger.errors.items():
        for measure, rows in measures.items():
            if isinstance(rows, list):
                sys.stdout.write(f"{name}: {measure}: {rows}\n")
    sys.stdout.write("as before\n" if json.dumps(tagger.errors) == before else "changed\n")


if __name__ == "__main__":
    main()
