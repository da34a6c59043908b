"""How often `latentbench similar` is wrong: `python benchmarks/similarity/separation.py [--write] [--tables N]`.

Each table is made by the code behind the verb: three models of five seeds, 100 items, codes of four dimensions.
A seed of a model is the model's signal, turned by a rotation of its own, plus noise whose size is the seed's own.

- equal: the three models are one, split in three. Wrong where any two are told apart ("below both ceilings").
- unrelated: every space is drawn by itself. Wrong where any two are "above the null".
- one apart: the third model finds a signal of which a share is another. Right where it is told from both others.

Rates are of tables, by score; of the last kind a quarter as many are drawn. Nominal: 5 percent of wrong tables.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from latentbench import LatentSpace
from latentbench.plugins import Plugins
from latentbench.similarity.matrix import Matrix
from latentbench.similarity.requests import PairRequest, pair_requests
from latentbench.similarity.similarity import compare_models
from latentbench.similarity.spaces import ComparedModel, ComparedSpace

TARGET = Path(__file__).parents[2] / "results" / "reference" / "similarity" / "separation.txt"
SCORES = ("cka", "mutual_knn", "procrustes")
MODELS, SEEDS, ITEMS, WIDTH = 3, 5, 100, 4
TABLES = 200
NOISE = (0.3, 0.6)  # of a seed, smallest and largest, in standard deviations of the signal
SHARES = (0.1, 0.2, 0.4)  # of the third model's variance that is another signal

Draw = Callable[[torch.Generator], list[list[Tensor]]]
Wrong = Callable[[Matrix], bool]


def main() -> None:
    """Print the rates; with --write, keep them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tables", type=int, default=TABLES)
    parser.add_argument("--write", action="store_true", help=f"renew {TARGET.relative_to(TARGET.parents[3])}")
    options = parser.parse_args()
    began = time.monotonic()
    lines = ["python benchmarks/similarity/separation.py --write", *report(options.tables)]
    print("\n".join(lines))
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    if options.write:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")


def report(tables: int) -> list[str]:
    """Return the lines to print."""
    requests = pair_requests(SCORES, Plugins())
    few = max(1, tables // 4)
    rows = [
        ("equal: any two told apart", rates(equal, told_apart, requests, tables), tables),
        ("unrelated: any two above the null", rates(unrelated, related, requests, tables), tables),
    ]
    for share in SHARES:
        counts = rates(one_apart(share), third_told, requests, few)
        rows.append((f"one apart by {100 * share:.0f} %: told from both", counts, few))
    head = f"{f'percent of {tables} tables of {MODELS} models x {SEEDS} seeds':50}"
    return [
        head + "".join(f"{request.name:>12}" for request in requests),
        *(
            f"{name:50}" + "".join(f"{100 * count / drawn:12.1f}" for count in counts)
            for name, counts, drawn in rows
        ),
    ]


def rates(draw: Draw, holds: Wrong, requests: Sequence[PairRequest], tables: int) -> list[int]:
    """Return for each score in how many tables something holds."""
    generator = torch.Generator().manual_seed(0)
    counts = [0] * len(requests)
    for _ in range(tables):
        models = [_model(place, codes) for place, codes in enumerate(draw(generator))]
        with tempfile.TemporaryDirectory() as folder:
            matrices = compare_models("drawn", models, requests, Path(folder)).matrices
        counts = [count + holds(matrix) for count, matrix in zip(counts, matrices, strict=True)]
    return counts


def _model(place: int, codes: Sequence[Tensor]) -> ComparedModel:
    spaces = (
        ComparedSpace(seed, f"{place}-{seed}", lambda each=each: LatentSpace.from_arrays(codes=each))  # type: ignore[misc]
        for seed, each in enumerate(codes)
    )
    return ComparedModel(str(place), "", "drawn", tuple(spaces))


def equal(generator: torch.Generator) -> list[list[Tensor]]:
    """Draw the seeds of one model, split in three."""
    signal = torch.randn(ITEMS, WIDTH, generator=generator)
    return [[_seed(signal, generator) for _ in range(SEEDS)] for _ in range(MODELS)]


def unrelated(generator: torch.Generator) -> list[list[Tensor]]:
    """Draw each space by itself."""
    return [[torch.randn(ITEMS, WIDTH, generator=generator) for _ in range(SEEDS)] for _ in range(MODELS)]


def one_apart(share: float) -> Draw:
    """Return what draws two equal models, and a third of whose variance a share is another signal."""

    def draw(generator: torch.Generator) -> list[list[Tensor]]:
        signal, other = torch.randn(2, ITEMS, WIDTH, generator=generator)
        signals = [signal, signal, (1 - share) ** 0.5 * signal + share**0.5 * other]
        return [[_seed(each, generator) for _ in range(SEEDS)] for each in signals]

    return draw


def _seed(signal: Tensor, generator: torch.Generator) -> Tensor:
    turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=generator)).Q
    low, high = NOISE
    size = low + (high - low) * float(torch.rand((), generator=generator))
    codes: Tensor = signal @ turn + size * torch.randn(ITEMS, WIDTH, generator=generator)
    return codes


def told_apart(matrix: Matrix) -> bool:
    """Whether any two models are below both ceilings."""
    return any(cell.below_ceilings for cell in matrix.pairs)


def related(matrix: Matrix) -> bool:
    """Whether any two models are above the null."""
    return any(cell.above_null for cell in matrix.pairs)


def third_told(matrix: Matrix) -> bool:
    """Whether the third model is told from both others."""
    return all(matrix.cells[label, "2"].below_ceilings for label in ("0", "1"))


if __name__ == "__main__":
    main()
