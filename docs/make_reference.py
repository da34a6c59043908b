"""Fill the tables of docs/reference from docstrings: `python docs/make_reference.py [--check]`."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import get_args

from latentbench.latent.parts import REASONS
from latentbench.latent.space import LatentSpace
from latentbench.metric import Need
from latentbench.testing.dataset_rules import DATASET_RULES
from latentbench.testing.model_rules import MODEL_RULES
from latentbench.testing.pair_rules import ODD_RULES, PAIR_RULES
from latentbench.testing.rules import Rule
from latentbench.testing.training_rules import TRAINING_RULES

FOLDER = Path(__file__).with_name("reference")
SUPPLIED = {
    "encoder": "encode",
    "decoder": "decode",
    "decoder_gradient": "decoder",
    "likelihood": "log_likelihood",
}


def rules(functions: Iterable[Rule]) -> str:
    """Return a table of rules: what each is called when it is expected to fail, and what it says."""
    rows = [f"| `{rule.__name__.removeprefix('check_')}` | {_sentence(rule)} |" for rule in functions]
    return "\n".join(["| rule | says |", "| --- | --- |", *rows])


def needs() -> str:
    """Return a table of the words of `needs`, what a space then has, and what is said where it has not."""
    rows = []
    for need in get_args(Need):
        name = SUPPLIED.get(need, need)
        member = inspect.getattr_static(LatentSpace, name, None)
        says = "What the trial cost, by name." if member is None else _sentence(getattr(member, "fget", member))
        rows.append(f"| `{need}` | `space.{name}` | {says} | {REASONS[need]} |")
    return "\n".join(
        ["| need | the space has | which is | where it is absent |", "| --- | --- | --- | --- |", *rows]
    )


def _sentence(item: object) -> str:
    function = getattr(item, "func", item)  # of a cached property
    sentence = (inspect.getdoc(function) or "").partition("\n\n")[0]
    return sentence.replace("\n", " ").replace("|", "\\|")


TABLES: dict[str, tuple[str, Callable[[], str]]] = {
    "rules of models": ("testing.md", lambda: rules((*MODEL_RULES, *TRAINING_RULES))),
    "rules of datasets": ("testing.md", lambda: rules(DATASET_RULES)),
    "rules of pair metrics": ("testing.md", lambda: rules((*PAIR_RULES, *ODD_RULES))),
    "needs": ("metrics.md", needs),
}


def main() -> None:
    """Write the tables, or say which page is out of date."""
    for title, (name, table) in TABLES.items():
        page = FOLDER / name
        before = page.read_text(encoding="utf-8")
        begin, end = f"<!-- begin {title} -->\n", f"<!-- end {title} -->"
        parts = re.split(f"({re.escape(begin)}).*?({re.escape(end)})", before, flags=re.DOTALL)
        if len(parts) != 4:
            sys.exit(f"{page} must hold the marks of the table {title!r} once, and does not")
        after = "".join([parts[0], parts[1], f"{table()}\n", parts[2], parts[3]])
        if "--check" in sys.argv[1:] and after != before:
            sys.exit(f"{page} is out of date; run `python docs/make_reference.py`")
        page.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
