"""The key figures of a run: its results.json without curves, tables and examples, small enough to lie beside a test.

python recipes/digits/key_figures.py RUN OUT.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # recipes are run from the source tree, not installed

from nst_asr.store import read_json, write_text

_LARGE = ("examples", "gauge", "filter", "tokens", "contents", "fusion")  # of a generation
_OF_THE_RUN = ("steps", "costs")


def key_figures(results: Mapping[str, Any]) -> dict[str, Any]:
    """The results without what is large: enough for `diagnose`, and for a reader."""
    found = {name: value for name, value in results.items() if name not in _OF_THE_RUN}
    found["generations"] = [
        {name: value for name, value in entry.items() if name not in _LARGE} for entry in results["generations"]
    ]
    found["training"] = {
        name: {key: value for key, value in model.items() if key != "curves"}
        for name, model in (results.get("training") or {}).items()
    }
    return found


def main() -> int:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="experiment folder with results.json")
    parser.add_argument("out", type=Path, help="file to write")
    given = parser.parse_args()
    found = key_figures(read_json(given.run / "results.json"))
    write_text(given.out, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
