"""The command line. Each verb has its own file, imported only when the verb is used."""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click

from latentbench.errors import LatentbenchError
from latentbench.execution.variables import waiting
from latentbench.files.failures import explained, failure_status, in_words
from latentbench.terminal.output import OutputError, echo, prepare_streams, silence
from latentbench.terminal.preparing import shown_preparing
from latentbench.terminal.working import working

__all__ = ["main"]

DEBUG = "LATENTBENCH_DEBUG"

VERBS = {
    "check": "Test whether models, metrics and datasets keep their contract.",
    "compare": "Compare two runs, or two models, score by score.",
    "doctor": "Check every file of a run, and move aside what is damaged.",
    "edit": "Change attributes of items one after another and draw every step.",
    "env": "Print versions, hardware and plugins.",
    "explore": "Open the page of a run with a server that decodes and encodes by torch.",
    "export": "Write a trained model for use elsewhere: by torch alone, or by scikit-learn.",
    "info": "Explain a dataset, model, metric, score or executor.",
    "list": "List datasets, models, metrics, executors or plugins.",
    "log": "Print what trials printed and raised, with tracebacks.",
    "map": "Draw maps of a model's codes by PCA, t-SNE or UMAP.",
    "merge": "Join runs of one benchmark that were made on several machines.",
    "morph": "Turn one test item into another along a path of codes.",
    "new": "Write a package with a new model, metric or dataset, to start from.",
    "pack": "Write a run into one file that others load.",
    "report": "Write the report page of a run.",
    "run": "Train models, score their latent spaces and compare.",
    "sample": "Draw samples, grids and variations of a model, and invert its maps.",
    "score": "Score codes that you have, or add scores to a run.",
    "show": "Draw the reconstructions of all models, or traversals of one.",
    "similar": "Tell how alike the spaces of models are, pair by pair.",
    "status": "Tell how far a run is: trials done, failed, running, queued and waiting.",
    "table": "Print the comparison table of a run.",
    "tour": "Film a tour of a model's map, or how the map forms.",
    "transport": "Transport images, classes of codes and signals optimally.",
}
UPKEEP = ("doctor", "merge", "pack")  # verbs in a folder of their own
DOING = {  # what is shown of a verb that takes seconds
    "check": "checking",
    "compare": "comparing",
    "doctor": "checking files",
    "edit": "editing items",
    "explore": "opening the run",
    "export": "exporting",
    "map": "making maps",
    "merge": "joining runs",
    "morph": "morphing",
    "pack": "packing the run",
    "report": "writing the page",
    "run": "planning",
    "sample": "decoding",
    "score": "planning",
    "show": "drawing",
    "similar": "comparing spaces",
    "status": "reading the run",
    "table": "reading the run",
    "tour": "filming the tour",
    "transport": "transporting",
}


class _Verbs(click.Group):
    """Lists all verbs by name and imports only the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        if cmd_name not in VERBS:
            return None
        folder = "upkeep." if cmd_name in UPKEEP else ""
        command: click.Command = import_module(f"latentbench.cli.{folder}{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([*VERBS.items()])  # `list` names a submodule here once that verb has been used


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="latentbench")
def cli() -> None:
    """Benchmark latent spaces: train models, score their latent spaces and compare them.

    `latentbench run` without arguments compares AE, VAE and beta-VAE on small real images.

    Exit status: 0 success, 1 some trials failed, 2 the request was wrong, 130 interrupted (run again to continue).
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; the status is 0, 1, 2 or 130, whatever happens."""
    atexit.register(gc.freeze)  # else what is left is searched for garbage at the end: .9 s once torch is imported
    os.environ.update(waiting(os.environ))
    prepare_streams()
    warnings.showwarning = lambda message, *_, **__: echo(f"warning: {message}", err=True)
    try:
        status = _status(arguments)
    except OutputError as error:  # nobody reads on, or the file that takes the output is full
        if not isinstance(error.cause, BrokenPipeError):
            echo(f"latentbench: standard output: {in_words(error.cause)}", err=True)
        status = 1
        if sys.stdout is not None:
            silence(sys.stdout)
    sys.exit(status)


def _status(arguments: list[str] | None) -> int:
    """Run the command line and return the exit status; what went wrong is told in one sentence."""
    try:
        Path.cwd()  # libraries that are loaded later end the process if it is gone
        given = sys.argv[1:] if arguments is None else arguments
        with shown_preparing(), working(_doing(given)):
            status = cli.main(args=[*given], prog_name="latentbench", standalone_mode=False, obj=[*given])
    except click.ClickException as error:
        echo(_usage(error), err=True)
        return 2
    except LatentbenchError as error:
        echo(f"latentbench: {error}", err=True)
        return error.exit_status
    except (KeyboardInterrupt, click.Abort) as error:
        if isinstance(error.__cause__, EOFError):  # a file that ends too early; click takes it for Ctrl-D
            return _report(error.__cause__, f"internal error: EOFError: {error.__cause__}", 1)
        echo("latentbench: interrupted; run the same command again to continue", err=True)
        return 130
    except OutputError:
        raise
    except OSError as error:
        return _report(error, explained(error), failure_status(error))
    except MemoryError as error:
        return _report(error, "this machine has not enough memory for it; ask for less", 1)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return _report(error, f"internal error: {what}; {DEBUG}=1 in the environment shows where", 1)
    return status if isinstance(status, int) else 0


def _doing(arguments: Sequence[str]) -> str:
    """Return what the verb of a command line does."""
    verb = next((word for word in arguments if not word.startswith("-")), "")
    return DOING.get(verb, f"latentbench {verb}".rstrip())


def _report(error: BaseException, sentence: str, status: int) -> int:
    """Tell what went wrong, and where in the code if the user wants to know."""
    if os.environ.get(DEBUG):
        echo("".join(traceback.format_exception(error)), err=True)
    echo(f"latentbench: {sentence}", err=True)
    return status


def _usage(error: click.ClickException) -> str:
    """Return what click would print of a wrong command line."""
    text = io.StringIO()
    error.show(file=text)
    return text.getvalue().rstrip("\n").expandtabs(2)
