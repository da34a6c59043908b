"""Make the reference results again: `python benchmarks/reference.py quick`, `standard` (an hour or so) or `zoo`.

Runs the preset into results/ (what is there already is not run again) and keeps the small files in
results/reference/: the request, the environment, the scores, the tables, the figures and what the time went to, no
weights. `quick` also renews the README's table, `standard` that of docs/reading.md, and `zoo` that of docs/zoo.md,
which has a line a model.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentbench import load_results
from latentbench.records import all_records

if TYPE_CHECKING:
    import pandas as pd

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"
FOLDERS = {"quick": "digits-quick", "standard": "fashion_mnist-standard", "zoo": "zoo"}
PAGES = {"quick": ROOT / "README.md", "standard": ROOT / "docs" / "reading.md", "zoo": ROOT / "docs" / "zoo.md"}
SHOWN = {"quick": "table.txt", "standard": "table.txt", "zoo": "models.txt"}
KEPT = ("run.json", "environment.json", "scores.csv")
TABLES = {"table.txt": ("text",), "table.md": ("md",), "all.md": ("md", "--all")}


def latentbench(*arguments: str) -> str:
    """Run a command and return what it prints on standard output."""
    command = [sys.executable, "-m", "latentbench", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout


@dataclass
class Spent:
    """Seconds of a run, all its sittings together, from its event log.

    Attributes:
        whole: from start to end.
        around: before the first trial began and after the last ended.
        in_trials: of all trials, each from its start to its end.
    """

    whole: float = 0.0
    around: float = 0.0
    in_trials: float = 0.0

    @classmethod
    def of_run(cls, run: Path) -> Spent:
        """Read the log."""
        sittings: list[list[dict[str, Any]]] = []
        for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            if event["event"] == "run_started":
                sittings.append([])
            sittings[-1].append(event)
        spent = cls()
        for events in sittings:
            whole = events[-1]["time"] - events[0]["time"]
            begun = [event["time"] for event in events if event["event"] == "trial_started"]
            ended = [event["time"] for event in events if event["event"] == "trial_finished"]
            spent.whole += whole
            spent.around += whole - (max(ended) - min(begun) if ended else 0.0)
            spent.in_trials += sum(event["seconds"] for event in events if event["event"] == "trial_finished")
        return spent


def shares(run: Path) -> list[str]:
    """Tell what the workers' time went to."""
    results, spent = load_results(run), Spent.of_run(run)
    outcomes = [record.read_trial().outcome for record in all_records(run)]  # those of a search, too
    workers = max(outcome.environment.get("concurrency", 1) for outcome in outcomes if outcome is not None)
    training = sum(outcome.cost.get("train_seconds", 0.0) for outcome in outcomes if outcome is not None)
    files = run.glob("trials/*/scores/*.json")
    scoring = sum(json.loads(path.read_text(encoding="utf-8"))["seconds"] for path in files)
    kinds = {
        "training": training,
        "scoring": scoring,
        "loading, coding and writing within trials": spent.in_trials - training - scoring,
        "start, tables and page": spent.around * workers,
    }
    busy = sum(kinds.values())
    lines = [f"{seconds / busy:>7.2%}  {kind}" for kind, seconds in kinds.items()]
    idle = 1 - busy / (workers * spent.whole)
    head = f"{spent.whole / 60:.1f} minutes, {workers} workers, idle at the end {idle:.1%}; of the rest:"
    return [f"latentbench run --preset {results.request['title']}", head, *lines]


def keep(run: Path, target: Path) -> None:
    """Copy the small files of a run and print its tables beside them."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in KEPT:
        shutil.copy(run / name, target / name)
    latentbench("report", str(run.relative_to(ROOT)), "--format", "svg")  # small, and text as text
    for path in sorted((run / "figures").glob("*")):
        if path.suffix in (".svg", ".csv"):
            (target / "figures").mkdir(exist_ok=True)
            shutil.copy(path, target / "figures" / path.name)
    for name, (style, *more) in TABLES.items():
        text = latentbench("table", str(run.relative_to(ROOT)), "--format", style, *more)
        (target / name).write_text(text.rstrip() + "\n", encoding="utf-8")


def by_model(table: pd.DataFrame) -> str:
    """Print a comparison with a line for each model: its means over seeds, and half their 95 % intervals.

    Of costs and uses it shows the seconds of a training; table.txt has the others.
    """
    table = table[~table["purpose"].isin(("use", "cost")) | (table["score"] == "train_seconds")]
    scores = list(dict.fromkeys(table["score"]))
    models = list(dict.fromkeys(table["model"]))
    cells = {(row.model, row.score): _cell(row) for row in table.itertuples()}
    grid = [["", *scores]]
    grid += [[model, *(cells.get((model, score), "-") for score in scores)] for model in models]
    better = {row.score: str(row.better) for row in table.itertuples()}
    grid.insert(1, ["better", *(better[score] for score in scores)])
    widths = [max(len(line[place]) for line in grid) for place in range(len(grid[0]))]
    lines = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in grid]
    return "\n".join(lines) + "\n"


def _cell(row: Any) -> str:
    """Write a value and its interval; why there is none stands in the other tables."""
    if not math.isfinite(row.mean):
        return "-"
    large = abs(row.mean) >= 10
    half = (row.high - row.low) / 2
    texts = [f"{value:.0f}" if large else f"{value:.3f}" for value in (row.mean, half) if math.isfinite(value)]
    return "±".join(text.replace("0.", ".", 1) if abs(row.mean) < 1 else text for text in texts)


def renew(page: Path, path: Path) -> None:
    """Put a table into the page that shows it."""
    pattern = rf"(<!-- begin {path.relative_to(ROOT)} -->\n```text\n).*?(```\n<!-- end -->)"
    table, text = path.read_text(encoding="utf-8"), page.read_text(encoding="utf-8")
    renewed, count = re.subn(pattern, lambda found: found[1] + table + found[2], text, flags=re.DOTALL)
    if count != 1:
        sys.exit(f"{page.name} must show {path.relative_to(ROOT)} once, between its marks; it does {count} times")
    page.write_text(renewed, encoding="utf-8")


def main(preset: str) -> None:
    """Run, keep, and tell what the time went to."""
    run, target = ROOT / "results" / FOLDERS[preset], REFERENCE / FOLDERS[preset]
    latentbench("run", "--preset", preset, "-o", str(run.relative_to(ROOT)))
    keep(run, target)
    if preset == "zoo":
        (target / "models.txt").write_text(by_model(load_results(run).table()), encoding="utf-8")
    renew(PAGES[preset], target / SHOWN[preset])
    told = "\n".join(shares(run)) + "\n"
    (target / "time.txt").write_text(told, encoding="utf-8")
    print(told, end="")
    print(f"kept in {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1])
