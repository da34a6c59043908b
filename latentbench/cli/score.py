"""`latentbench score`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentbench.cli._shared.options import (
    NAME_OR_PATH,
    PATH,
    TEXT,
    load_plugins,
    max_items_option,
    plugin_options,
    split_names,
    timeout_option,
)
from latentbench.cli._shared.own_codes import codes_by_name
from latentbench.cli._shared.running import execute_plan, show_results
from latentbench.errors import RequestError
from latentbench.files.reading import is_there

if TYPE_CHECKING:
    from latentbench.benchmark import Benchmark
    from latentbench.planning.plan import Plan
    from latentbench.plugins import Plugins
    from latentbench.results import Results

__all__ = ["command"]


@click.command("score")
@click.argument("spaces", nargs=-1, required=True, type=NAME_OR_PATH, metavar="RUN | NAME=FILE[,FILE] ...")
@click.option("--labels", type=PATH, metavar="FILE", help="Class of each item, in the order of the codes.")
@click.option(
    "--inputs", type=NAME_OR_PATH, metavar="DATASET", help="What the codes are of: NAME, NAME:KEY=VALUE or a path."
)
@click.option(
    "--split",
    type=click.Choice(["test", "train", "validation"]),
    default="test",
    show_default=True,
    help="The split of --inputs that the codes are of.",
)
@click.option(
    "--train-codes", multiple=True, type=NAME_OR_PATH, metavar="NAME=FILE", help="Codes of the training items."
)
@click.option("--train-labels", type=PATH, metavar="FILE", help="Class of each training item.")
@click.option("--factors", type=PATH, metavar="FILE", help="Factors of each item, a column each.")
@click.option(
    "-s", "--scores", multiple=True, type=TEXT, metavar="SCORE,...", help="Compute only these scores or metrics."
)
@max_items_option
@click.option("-o", "--output", type=PATH, help="Folder of the run, old or new; default: results/DATASET-codes.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the models of a run are loaded; own codes are scored on the CPU.",
)
@click.option("--workers", type=click.IntRange(0), help="Trials scored at the same time; default: one per core.")
@timeout_option
@plugin_options
def command(spaces: tuple[str, ...], files: tuple[str, ...], blocked: tuple[str, ...], **options: Any) -> int:
    """Score codes that you have, side by side, or add scores to the trials of RUN.

    NAME=FILE puts the codes in a .npy, .npz, CSV or parquet file into a column called NAME; several files are
    seeds of one model. All hold the same items in the same order. With -o of a run on the same items they stand
    beside its models.
    """
    named = codes_by_name(text for text in spaces if "=" in text and not is_there(text))
    runs = [text for text in spaces if "=" not in text or is_there(text)]
    if runs and (named or len(runs) > 1):
        raise RequestError(
            f"score takes one run, or codes as NAME=FILE, got {' '.join(spaces)}; give `-o {runs[0]}` to put "
            "codes beside a run's models"
        )
    plugins = load_plugins(files, blocked, runs[0] if runs else options["output"] or "")
    if not named:
        return _add_scores(Path(runs[0]), plugins, options)
    from latentbench.benchmark import default_folder, read_benchmark
    from latentbench.planning.plan import make_plan

    request = read_benchmark("quick", _changes(named, options))
    folder = Path(options["output"] or default_folder(request))
    before = _results(folder)
    if before is not None:
        request = _on_its_data(request, before)
    plan = make_plan(request, plugins, options["device"])
    if before is not None and not options["scores"]:  # those of the run
        plan = replace(plan, requests=())
    return _score(plan, request, folder, before, plugins, options)


def _changes(named: Mapping[str, tuple[str, ...]], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the options say of a benchmark of own codes."""
    changes: dict[str, Any] = {
        "codes": dict(named),
        "train_codes": codes_by_name(options["train_codes"]),
        "split": options["split"],
        "scores": split_names(",".join(options["scores"])),
        "datasets": (options["inputs"],) if options["inputs"] else (),
        "max_items": options["max_items"],
    }
    return changes | {name: options[name] for name in ("labels", "train_labels", "factors") if options[name]}


def _results(folder: Path) -> Results | None:
    """Return the results of a run that is there."""
    from latentbench.results import Results

    return Results(folder) if (folder / "run.json").is_file() and (folder / "trials").is_dir() else None


def _on_its_data(request: Benchmark, before: Results) -> Benchmark:
    """Return a request without inputs as one on the only data set of a run."""
    asked = before.request["benchmark"].get("datasets", ())
    if request.datasets or len(asked) != 1:
        return request
    return request.model_copy(update={"datasets": tuple(asked)})


def _add_scores(folder: Path, plugins: Plugins, options: Mapping[str, Any]) -> int:
    """Compute scores of the trials that a run has."""
    from latentbench.api import load_results
    from latentbench.packed.opening import refuse_writing
    from latentbench.planning.metrics import metric_requests
    from latentbench.planning.plan import Plan

    beside = ("labels", "inputs", "train_codes", "train_labels", "factors", "output")
    if given := [name for name in beside if options[name]]:
        raise RequestError(
            f"--{given[0].replace('_', '-')} is about codes given as NAME=FILE; leave it out to add scores"
        )
    refuse_writing(folder, f"`latentbench merge {folder} -o FOLDER` makes a run folder of it")
    before = load_results(folder)
    scores = split_names(",".join(options["scores"]))
    new = Plan((), tuple(metric_requests(scores, plugins, options["max_items"])) if scores else ())
    return _score(new, None, folder, before, plugins, options)


def _score(
    plan: Plan,
    request: Benchmark | None,
    folder: Path,
    before: Results | None,
    plugins: Plugins,
    options: Mapping[str, Any],
) -> int:
    from latentbench.execution.joining import joined, joined_request, plan_of

    if before is not None:
        plan = joined(plan_of(before, plugins), plan)
        request = joined_request(before, request, split_names(",".join(options["scores"])))
    if request is None:
        raise RequestError(f"{folder} holds no run")
    results = execute_plan(plan, request, folder, plugins, options, train=False)
    show_results(results, plugins, None)
    return 0 if _all_well(results, plan) else 1


def _all_well(results: Results, plan: Plan) -> bool:
    """Whether all that could be scored was; trials that a run lacks were none of this command's."""
    there = {trial.key for trial in results.trials if trial.ok}
    rows: Iterable[Any] = (row for row in results.rows if row.trial in there)
    own = {each.trial.key for each in plan.own}
    return own <= there and all(row.status in ("ok", "not applicable") for row in rows)
