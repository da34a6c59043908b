"""Make published numbers again: `python benchmarks/obtained.py ROW ...`.

Without a name the rows are listed; `--quick` makes all that take under two minutes. Each row is computed with the
models, latent spaces and metrics of latentbench, kept in results/reference/obtained.json, and shown beside what
was printed and its band in docs/obtained.md, which this writes. Rows that train go into results/obtained-ROW,
where `latentbench table` shows them whole; run again they do only what is missing.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # this script may be started from anywhere

from benchmarks.published import clusters, elsewhere, neighbors, own, spaces  # noqa: E402 - they need the line above
from benchmarks.published.page import page  # noqa: E402
from benchmarks.published.rows import Row, verdict  # noqa: E402
from latentbench import LatentbenchError  # noqa: E402

__all__ = ["ROWS", "main", "read_kept"]

KEPT = ROOT / "results" / "reference" / "obtained.json"
PAGE = ROOT / "docs" / "obtained.md"
ROWS: dict[str, Row] = {
    row.name: row for part in (neighbors, clusters, spaces, elsewhere, own) for row in part.ROWS
}


def main(names: list[str]) -> None:
    """Make rows, keep what came out, and write the page."""
    unknown = [name for name in names if name not in ROWS and name != "--quick"]
    if unknown:
        sys.exit(f"there is no row {', '.join(unknown)}; rows: {', '.join(ROWS)}")
    if not names:
        print("\n".join(f"{row.name:<24}{row.model or row.setup}" for row in ROWS.values()))
    for row in ROWS.values():
        if row.name in names or ("--quick" in names and row.quick):
            make(row)
    PAGE.write_text(page([*ROWS.values()], read_kept()), encoding="utf-8")


def make(row: Row) -> None:
    """Make the numbers of a row, keep and print them; say why where they cannot be made."""
    started = time.perf_counter()
    try:
        values = dict(row.make())
    except LatentbenchError as error:
        print(f"{row.name}: {error}", file=sys.stderr)
        return
    kept = {**read_kept(), row.name: {"values": values, "seconds": round(time.perf_counter() - started, 1)}}
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    for name, number in row.numbers.items():
        print(f"{row.name:<24}{name:<28}{values[name]:>12.6g}  {number.printed}  {verdict(number, values[name])}")


def read_kept() -> dict[str, Any]:
    """Return what was obtained so far, by other commands too."""
    kept: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    return kept


if __name__ == "__main__":
    main(sys.argv[1:])
