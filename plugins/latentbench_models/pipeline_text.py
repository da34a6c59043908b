"""Reads a scikit-learn pipeline as it is written: `StandardScaler | PCA(whiten=True)`. Nothing of it is run."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from latentbench import near_matches

__all__ = ["PipelineStep", "make_pipeline", "read_pipeline"]

MODULES = (
    "preprocessing",
    "decomposition",
    "manifold",
    "kernel_approximation",
    "random_projection",
    "cluster",
    "neural_network",
    "impute",
)
FORM = "must be scikit-learn transformers joined by |, as StandardScaler | PCA(whiten=True)"
LONGEST = 1000  # characters


@dataclass(frozen=True)
class PipelineStep:
    """A transformer of a pipeline: its class, and the arguments that were written."""

    cls: Any
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        written = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.cls.__name__}({written})" if written else str(self.cls.__name__)


def read_pipeline(text: str) -> list[PipelineStep]:
    """Return the steps of a pipeline.

    Arguments are numbers, text, True, False, None, or tuples and lists of these. Only transformers of scikit-learn
    itself are known, so that a pipeline that somebody else wrote can do nothing else.

    Raises:
        ValueError: it is written otherwise, or a step is no transformer that learns without labels.

    >>> [str(step) for step in read_pipeline("StandardScaler|decomposition.PCA( whiten = True )")]
    ['StandardScaler', 'PCA(whiten=True)']
    """
    if len(text) > LONGEST:
        raise ValueError(f"must have at most {LONGEST} characters")
    try:
        body = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(
            f"{FORM}; on the command line a comma starts another one, in a file it does not"
        ) from None
    return [_step(node) for node in _joined(body)]


def make_pipeline(steps: list[PipelineStep], latent_dim: int, seed: int) -> Pipeline:
    """Return the unfitted pipeline; its last step makes `latent_dim` components unless a number is written."""
    made = []
    for place, step in enumerate(steps):
        estimator = step.cls(**step.arguments)
        known = estimator.get_params(deep=False)
        if place == len(steps) - 1 and "n_components" in known and "n_components" not in step.arguments:
            estimator.set_params(n_components=latent_dim)
        if known.get("random_state", 0) is None:
            estimator.set_params(random_state=seed)
        made.append((f"{place}", estimator))
    return Pipeline(made)


def _joined(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _joined(node.left)
        yield from _joined(node.right)
    else:
        yield node


def _step(node: ast.expr) -> PipelineStep:
    name, arguments = node, {}
    if isinstance(node, ast.Call):
        name = node.func
        if node.args or any(keyword.arg is None for keyword in node.keywords):
            raise ValueError(f"must have arguments by name, as PCA(whiten=True), not {ast.unparse(node)}")
        arguments = {str(keyword.arg): _literal(keyword) for keyword in node.keywords}
    cls = _transformer(_dotted(name))
    try:
        tags = get_tags(cls(**arguments))
    except TypeError as error:
        known = inspect.signature(cls).parameters
        wrong = next((argument for argument in arguments if argument not in known), "")
        if not wrong:
            raise ValueError(f"must be written whole, {cls.__name__} cannot be made so ({error})") from None
        hint = near_matches(wrong, known)
        raise ValueError(f"must have known arguments, {cls.__name__} has no {wrong!r}{hint}") from None
    if tags.target_tags.required:
        raise ValueError(f"must learn without labels, {cls.__name__} needs them")
    return PipelineStep(cls, arguments)


def _literal(keyword: ast.keyword) -> Any:
    try:
        return ast.literal_eval(keyword.value)
    except (ValueError, TypeError):
        written = ast.unparse(keyword.value)
        raise ValueError(f"must have plain values as arguments, {keyword.arg}={written} is none") from None


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    raise ValueError(f"{FORM}, not {ast.unparse(node)}")


def _transformer(written: str) -> Any:
    """Return the class of a name, alone or with its module, as `PCA` or `sklearn.decomposition.PCA`."""
    module, _, name = written.removeprefix("sklearn.").rpartition(".")
    known: dict[str, Any] = {}
    for place in MODULES if not module else [module] if module in MODULES else ():
        known |= {
            each: member
            for each, member in vars(import_module(f"sklearn.{place}")).items()
            if isinstance(member, type) and issubclass(member, BaseEstimator) and not each.startswith("_")
        }
        if name in known:
            break
    if name not in known:
        raise ValueError(f"{FORM}, there is no {written!r}{near_matches(name, known)}")
    if not hasattr(known[name], "transform"):
        raise ValueError(f"must transform new items, {name} cannot")
    return known[name]
