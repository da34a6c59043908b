"""Draw docs/architecture.svg from the layers in pyproject.toml: `python docs/make_architecture.py`."""

from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = Path(__file__).with_name("architecture.svg")
CAPTIONS = {
    "cli": "one file a verb",
    "testing": "checks for plugin authors",
    "serving": "the page with a server of this machine behind it: decodes and encodes by torch",
    "report": "charts, the page, diffs: made from results",
    "explore": "looks into one latent space, one file a verb",
    "api": "run, score, load_results",
    "executor": "where jobs run",
    "execution": "from a plan to records: pending, jobs, fitting, scoring, workers, executors",
    "similarity": "how alike the spaces of models are, beside unrelated spaces and seeds",
    "upkeep": "a run folder as a whole: looked over, repaired, joined, packed",
    "scaffold": "a new plugin as a package",
    "export": "a trained model for use elsewhere",
    "terminal": "what is printed, and progress while a run goes on",
    "results": "all results of a run",
    "table": "the comparison table: gathered, judged, worded, printed",
    "score_rows": "ScoreRow: one score of one trial",
    "choices": "settings chosen on validation",
    "planning": "trials, the grid of each model, score requests",
    "benchmark": "what is asked for: TOML and flags",
    "opening": "trial and record to splits, model, latent space",
    "statistics": "intervals, ranks, paired comparisons",
    "codes": "own codes: arrays that others computed, as trials",
    "records": "one trial's files",
    "remembered": "what unchanged files of trials held",
    "score_files": "what a file of scores holds",
    "trial": "Trial, Outcome, ScoreRequest: data",
    "plugins": "finding, loading, listing plugins",
    "registrations": "what plugins register",
    "hookspecs": "the contract with plugins",
    "metric": "what a metric implements",
    "training": "the engine for gradient models",
    "latent": "LatentSpace; paths, edits, maps, transport, sampling",
    "dataset": "data and splits",
    "model": "what a model implements",
    "drawing": "the pen: sheets, panels, animations",
    "convolutions": "faster convolutions",
    "machine": "threads, memory",
    "params": "what plugins declare, checked",
    "arrays": "what users give, checked once",
    "packed": "a run as one file",
    "scores": "what a number means",
    "source": "loading code, digests of it",
    "files": "read and written safely; JSON; caches",
    "errors": "every exception",
    "text": "names compared and printed",
}
STREET = (
    ("Split", "dataset"),
    ("Model", "model"),
    ("LatentSpace", "latent"),
    ("Metric", "metric"),
    ("rows", "results"),
    ("tables", "table"),
    ("page", "report/page"),
)
WIDTH, MARGIN, FLOOR, GAP, TOP = 860, 16, 40, 5, 118
INK, SOFT, PAPER, STONE = "#222", "#666", "#f4f1ea", "#c9c2b2"
FOLDER = "#dbe7f5"


def floors() -> list[list[str]]:
    """Return the rooms of each floor, the top one first, as pyproject.toml has them."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    rows = tool["importlinter"]["contracts"][0]["layers"]
    return [[room.strip() for room in row.replace(":", "|").split("|")] for row in rows]


def picture() -> str:
    """Return the picture as SVG."""
    rows = floors()
    height = TOP + len(rows) * (FLOOR + GAP) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="DejaVu Sans, Helvetica, Arial, sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *_street(),
        *(part for row, rooms in enumerate(rows) for part in _floor(row, rooms)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _street() -> list[str]:
    step = (WIDTH - 2 * MARGIN) / len(STREET)
    parts = [_text(MARGIN, 24, "The street: data goes one way", 13, weight="bold")]
    for place, (stop, room) in enumerate(STREET):
        left, width = MARGIN + place * step, step - 18
        parts.append(_box(left, 36, width, 44, PAPER))
        parts.append(_text(left + width / 2, 55, stop, 12, anchor="middle", weight="bold"))
        parts.append(_text(left + width / 2, 71, room, 10, anchor="middle", color=SOFT))
        if place < len(STREET) - 1:
            parts.append(_text(left + width + 9, 62, "→", 15, anchor="middle"))
    return [
        *parts,
        _text(
            MARGIN,
            108,
            "The house: a room imports from the layers below it (blue: a folder, else one file)",
            13,
            weight="bold",
        ),
    ]


def _floor(row: int, rooms: list[str]) -> list[str]:
    """Draw the rooms of a floor, each as wide as its words need."""
    top = TOP + row * (FLOOR + GAP)
    needs = [max(len(CAPTIONS[room]) * 5.6, len(room) * 7.6) + 18 for room in rooms]
    spare = (WIDTH - 2 * MARGIN - GAP * (len(rooms) - 1) - sum(needs)) / len(rooms)
    parts, left = [], float(MARGIN)
    for room, need in zip(rooms, needs, strict=True):
        parts.append(
            _box(left, top, need + spare, FLOOR, FOLDER if (ROOT / "latentbench" / room).is_dir() else PAPER)
        )
        parts.append(_text(left + 9, top + 16, room, 12, weight="bold"))
        parts.append(_text(left + 9, top + 32, CAPTIONS[room], 10, color=SOFT))
        left += need + spare + GAP
    return parts


def _box(left: float, top: float, width: float, height: float, fill: str) -> str:
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height}" rx="4" '
        f'fill="{fill}" stroke="{STONE}"/>'
    )


def _text(
    x: float, y: float, words: str, size: int, *, anchor: str = "start", weight: str = "normal", color: str = INK
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{color}">{escape(words)}</text>'
    )


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
