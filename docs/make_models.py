"""Write docs/models.md from what models declare and their docstrings: `python docs/make_models.py`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from latentbench.cli._shared.model_facts import model_facts, model_text
from latentbench.model import Model
from latentbench.params import ParamInfo, describe_params
from latentbench.plugins import Plugins

PAGE = Path(__file__).with_name("models.md")
PACKAGE = "latentbench_models."
SHARED_BY = 8  # models from which a parameter stands in the table of shared ones
HEAD = """# Every model

Written by `python docs/make_models.py` from what each model declares, the summary it is registered with and
its docstring; a test fails when this page is out of date. `latentbench info vae` shows the same for one model
of any plugin, and `latentbench check vae` tests it on small data.

A loss is of one input x and its code z; training minimizes its mean over a batch. p(x | z) is the likelihood
that the parameters `likelihood` and `sigma` choose, q(z | x) what the encoder says of the code, p(z) the prior,
KL the Kullback-Leibler divergence, |v| the length of a vector; in names like `strength`, a formula holds the
parameter of that name. All terms are in nats per input where the first is. A test of each model holds its loss
to a second computation of this formula, or to that of the library which fits it.
"""


@dataclass(frozen=True)
class Family:
    """Models that are explained together.

    Attributes:
        title: its heading.
        places: their modules in the package, or the rooms that hold these.
        about: what they have in common and what differs.
    """

    title: str
    places: tuple[str, ...]
    about: str


FAMILIES = (
    Family(
        "Autoencoders",
        ("ae", "regularized"),
        "An encoder and a decoder, trained to reconstruct. They differ in what else is asked of codes: to "
        "withstand noise, to change little, to be short or mostly 0, to follow a distribution all together, "
        "to keep what hangs together. The weights of these terms stand beside a likelihood in nats per input, "
        "so they are not those of the papers, and a good one depends on the data: try several and choose on "
        "the validation split, as `-p wae_mmd.strength=1,10,100` does.",
    ),
    Family(
        "Variational autoencoders",
        ("vae", "beta_vae", "variational"),
        "The encoder gives a distribution over codes, and the loss of `vae` bounds the density of the data. Most "
        "others change one term of it, and their losses are no bounds of one another: compare `elbo`, not losses. "
        "None is told the factors of the data; how well dimensions follow them depends on strength and seed as "
        "well as on the method, so compare several of each.",
    ),
    Family(
        "Discrete codes",
        ("discrete",),
        "The numbers of a code take few values, or come in pieces from a list. Codes are still vectors of "
        "numbers, so every score applies; but a point between two codes, as on a walk, is decoded without being "
        "a code.",
    ),
    Family(
        "Adversarial models",
        ("adversarial",),
        "Networks that play against each other, one step each in turn. Their losses need not fall while training "
        "goes well, and say little about when to stop; look at reconstructions and samples.",
    ),
    Family(
        "Diffusion",
        ("diffusion",),
        "A code tells a network what to draw while it takes noise off in steps. Decoding runs the network once a "
        "step, so that scores which decode many codes take longer.",
    ),
    Family(
        "Auto-decoders",
        ("image_autodecoder", "deepsdf"),
        "Codes of the training items are learned as the weights are, and there is no encoder: a code of any item "
        "is fitted to it through the decoder, which takes many steps where an encoder takes one.",
    ),
    Family(
        "Encoders without a decoder",
        ("self_supervised",),
        "All but `supervised` learn that two changed views of an input are one thing. What a change alters, codes "
        "need not keep, so the choice of `views` says what is alike; one that suits photographs may not suit "
        "digits. They reconstruct nothing, so scores that decode do not apply. `supervised` is told the classes.",
    ),
    Family(
        "Classic methods",
        ("pca", "classic", "tsne", "umap"),
        "No networks and no gradient steps: epochs and learning rate say nothing to them. The first group is "
        "linear, the others follow neighbors or distances; several of these can place new items only by way of "
        "the ones they were fitted to, or not at all.",
    ),
    Family(
        "Reference rows",
        ("references",),
        "They learn nothing. With `pca` they belong to every table: what does not beat them has not shown that it "
        "learned something.",
    ),
    Family(
        "Models of your own",
        ("network", "sklearn_pipeline"),
        "A trained network or a pipeline of transformers as a row beside the others, without a plugin.",
    ),
)


def page() -> str:
    """Return the whole page.

    Raises:
        ValueError: a model belongs to no family, or to several.
    """
    plugins = Plugins()
    entries = [entry for entry in plugins.registrations("model") if entry.plugin.name.startswith("latentbench:")]
    models: dict[str, type[Model]] = {entry.name: plugins.load("model", entry.name) for entry in entries}
    summaries = {entry.name: entry.summary for entry in entries}
    homes = {name: _family(cls) for name, cls in models.items()}
    shared = _shared(list(models.values()))
    parts = [HEAD, *_shared_table(shared)]
    for family in FAMILIES:
        members = [name for name, home in homes.items() if home is family]
        if members:
            parts += [f"## {family.title}\n", f"{family.about}\n", _overview(members, summaries)]
            parts += [part for name in members for part in _model(name, models[name], shared)]
    return "\n".join(parts)


def _family(cls: type[Model]) -> Family:
    place = cls.__module__.removeprefix(PACKAGE).split(".")[0]
    homes = [family for family in FAMILIES if place in family.places]
    if len(homes) != 1:
        raise ValueError(f"put {place} into one family of {Path(__file__).name}, it is in {len(homes)}")
    return homes[0]


def _shared(models: Sequence[type[Model]]) -> list[ParamInfo]:
    """Return the parameters that many models have in one and the same form."""
    counts = Counter(param for cls in models for param in describe_params(cls.Params))
    return [param for param, count in counts.items() if count >= SHARED_BY]


def _shared_table(shared: Sequence[ParamInfo]) -> Iterator[str]:
    yield "## Shared parameters\n"
    yield "Parameters that many models have in this form; a model below names those it takes.\n"
    yield _params(shared)


def _overview(members: Sequence[str], summaries: dict[str, str]) -> str:
    rows = [f"| [{name}](#{name}) | {_cell(summaries[name])} |" for name in members]
    return "\n".join(["| model | what it is |", "| --- | --- |", *rows, ""])


def _model(name: str, cls: type[Model], shared: Sequence[ParamInfo]) -> Iterator[str]:
    yield f"### {name}\n"
    yield "\n\n".join(" ".join(block.split()) for block in model_text(cls).about.split("\n\n")) + "\n"
    yield "\n".join(f"- {label}: {fact}" for label, fact in model_facts(cls)) + "\n"
    params = describe_params(cls.Params)
    own = [param for param in params if param not in shared]
    if own:
        yield _params(own)
    if others := [f"`{param.name}`" for param in params if param in shared]:
        yield f"{'Shared' if own else 'All shared'} parameters: {', '.join(others)}.\n"


def _params(params: Sequence[ParamInfo]) -> str:
    lines = ["| parameter | default | type | meaning |", "| --- | --- | --- | --- |"]
    for param in params:
        kind = ", ".join(filter(None, (param.type, param.limits)))
        cells = f"`{param.name}`", f"`{param.default!r}`", kind, param.description
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    if "--check" in sys.argv and PAGE.read_text(encoding="utf-8") != page():
        sys.exit(f"{PAGE.name} is old: run python docs/make_models.py")
    PAGE.write_text(page(), encoding="utf-8")
