"""Make the reference results again: `python benchmarks/reference.py quick`, or `standard` (about half an hour).

Runs the preset into results/ (what is there already is not run again) and keeps the small files in
results/reference/: the request, the environment, the scores, the tables and the figures, no weights. `quick` also
renews the README's table, `standard` that of docs/reading.md.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"
FOLDERS = {"quick": "digits-quick", "standard": "fashion_mnist-standard"}
PAGES = {"quick": ROOT / "README.md", "standard": ROOT / "docs" / "reading.md"}
KEPT = ("run.json", "environment.json", "scores.csv")
TABLES = {"table.txt": ("text",), "table.md": ("md",), "all.md": ("md", "--all")}


def latentbench(*arguments: str) -> str:
    """Run a command and return what it prints on standard output."""
    command = [sys.executable, "-m", "latentbench", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout


def minutes(run: Path) -> float:
    """Return how long the run took, all its sittings together, from its event log."""
    total = started = last = 0.0
    for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["event"] == "run_started":
            total += last - started
            started = event["time"]
        last = event["time"]
    return (total + last - started) / 60


def keep(run: Path, target: Path) -> None:
    """Copy the small files of a run and print its tables beside them."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in KEPT:
        shutil.copy(run / name, target / name)
    for path in sorted((run / "figures").glob("*")):
        if path.suffix in (".svg", ".csv"):
            (target / "figures").mkdir(exist_ok=True)
            shutil.copy(path, target / "figures" / path.name)
    for name, (style, *more) in TABLES.items():
        text = latentbench("table", str(run.relative_to(ROOT)), "--format", style, *more)
        (target / name).write_text(text.rstrip() + "\n", encoding="utf-8")


def renew(page: Path, path: Path) -> None:
    """Put a table into the page that shows it."""
    pattern = rf"(<!-- begin {path.relative_to(ROOT)} -->\n```text\n).*?(```\n<!-- end -->)"
    table, text = path.read_text(encoding="utf-8"), page.read_text(encoding="utf-8")
    renewed, count = re.subn(pattern, lambda found: found[1] + table + found[2], text, flags=re.DOTALL)
    if count != 1:
        sys.exit(f"{page.name} must show {path.relative_to(ROOT)} once, between its marks; it does {count} times")
    page.write_text(renewed, encoding="utf-8")


def main(preset: str) -> None:
    """Run, keep, and tell how long it took."""
    run, target = ROOT / "results" / FOLDERS[preset], REFERENCE / FOLDERS[preset]
    latentbench("run", "--preset", preset, "-o", str(run.relative_to(ROOT)))
    keep(run, target)
    renew(PAGES[preset], target / "table.txt")
    print(f"latentbench run --preset {preset}: {minutes(run):.1f} minutes; kept in {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1])
