"""latentbench: a benchmark suite for latent spaces.

Public names are imported when first used, so that `import latentbench` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Batch": "model",
    "Benchmark": "benchmark",
    "Better": "scores",
    "ContractError": "errors",
    "DataError": "errors",
    "DataSpec": "dataset",
    "Dataset": "dataset",
    "Draw": "model",
    "Executor": "executor",
    "GradientModel": "model",
    "Invariance": "metric",
    "LatentSpace": "latent.space",
    "LatentbenchError": "errors",
    "Losses": "model",
    "Metric": "metric",
    "Model": "model",
    "ModelTransformer": "export.transformer",
    "Near": "scores",
    "Need": "metric",
    "Noise": "model",
    "NotApplicableError": "errors",
    "Outcome": "trial",
    "PairMetric": "metric",
    "Params": "params",
    "PerMember": "params",
    "Posterior": "model",
    "RequestError": "errors",
    "Resources": "executor",
    "Results": "results",
    "Rows": "dataset",
    "Score": "scores",
    "SklearnModel": "model",
    "Split": "dataset",
    "Tier": "metric",
    "Trial": "trial",
    "UntrustedCodeError": "errors",
    "allow_code": "source.trust",
    "array_source": "files.mapped",
    "as_float32": "arrays.numbers",
    "as_inputs": "model",
    "as_numbers": "arrays.numbers",
    "cache_dir": "files.cache",
    "check_memory": "files.reading",
    "check_unpacked": "files.reading",
    "compare_codes": "api",
    "computed_once": "latent.once",
    "filled_array": "files.prepared",
    "hookimpl": "hookspecs",
    "is_large": "files.mapped",
    "load_results": "api",
    "mapped_array": "files.mapped",
    "near_matches": "errors",
    "number_classes": "arrays.classes",
    "open_regular": "files.reading",
    "reading": "files.reading",
    "row_hashes": "files.large_rows",
    "run": "api",
    "score": "api",
    "stays_in_file": "files.row_view",
    "take_rows": "files.row_view",
    "trust": "source.trust",
    "write_atomically": "files.writing",
}

__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from latentbench.api import compare_codes as compare_codes
    from latentbench.api import load_results as load_results
    from latentbench.api import run as run
    from latentbench.api import score as score
    from latentbench.arrays.classes import number_classes as number_classes
    from latentbench.arrays.numbers import as_float32 as as_float32
    from latentbench.arrays.numbers import as_numbers as as_numbers
    from latentbench.benchmark import Benchmark as Benchmark
    from latentbench.dataset import Dataset as Dataset
    from latentbench.dataset import DataSpec as DataSpec
    from latentbench.dataset import Rows as Rows
    from latentbench.dataset import Split as Split
    from latentbench.errors import ContractError as ContractError
    from latentbench.errors import DataError as DataError
    from latentbench.errors import LatentbenchError as LatentbenchError
    from latentbench.errors import NotApplicableError as NotApplicableError
    from latentbench.errors import RequestError as RequestError
    from latentbench.errors import UntrustedCodeError as UntrustedCodeError
    from latentbench.errors import near_matches as near_matches
    from latentbench.executor import Executor as Executor
    from latentbench.executor import Resources as Resources
    from latentbench.export.transformer import ModelTransformer as ModelTransformer
    from latentbench.files.cache import cache_dir as cache_dir
    from latentbench.files.large_rows import row_hashes as row_hashes
    from latentbench.files.mapped import array_source as array_source
    from latentbench.files.mapped import is_large as is_large
    from latentbench.files.mapped import mapped_array as mapped_array
    from latentbench.files.prepared import filled_array as filled_array
    from latentbench.files.reading import check_memory as check_memory
    from latentbench.files.reading import check_unpacked as check_unpacked
    from latentbench.files.reading import open_regular as open_regular
    from latentbench.files.reading import reading as reading
    from latentbench.files.row_view import stays_in_file as stays_in_file
    from latentbench.files.row_view import take_rows as take_rows
    from latentbench.files.writing import write_atomically as write_atomically
    from latentbench.hookspecs import hookimpl as hookimpl
    from latentbench.latent.once import computed_once as computed_once
    from latentbench.latent.space import LatentSpace as LatentSpace
    from latentbench.metric import Invariance as Invariance
    from latentbench.metric import Metric as Metric
    from latentbench.metric import Need as Need
    from latentbench.metric import PairMetric as PairMetric
    from latentbench.metric import Tier as Tier
    from latentbench.model import Batch as Batch
    from latentbench.model import Draw as Draw
    from latentbench.model import GradientModel as GradientModel
    from latentbench.model import Losses as Losses
    from latentbench.model import Model as Model
    from latentbench.model import Noise as Noise
    from latentbench.model import Posterior as Posterior
    from latentbench.model import SklearnModel as SklearnModel
    from latentbench.model import as_inputs as as_inputs
    from latentbench.params import Params as Params
    from latentbench.params import PerMember as PerMember
    from latentbench.results import Results as Results
    from latentbench.scores import Better as Better
    from latentbench.scores import Near as Near
    from latentbench.scores import Score as Score
    from latentbench.source.trust import allow_code as allow_code
    from latentbench.source.trust import trust as trust
    from latentbench.trial import Outcome as Outcome
    from latentbench.trial import Trial as Trial


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'latentbench' has no attribute {name!r}")
    return getattr(import_module(f"latentbench.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
