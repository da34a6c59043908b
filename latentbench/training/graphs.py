"""Steps captured as CUDA graphs: one call launches each, however many kernels it holds."""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import ClassVar

import torch

from latentbench.errors import ContractError

__all__ = ["StepGraphs"]

EAGER_STEPS = 3  # of each batch size before it is captured: libraries load and the optimizer makes its state


class StepGraphs:
    """Runs a training step: the first few times directly, then from a graph captured for its batch size.

    A captured step must find everything at the same place in memory and decide nothing by values on the device.

    Attributes:
        broken: a capture has failed in this process. Torch 2.11 then leaves its stream and its memory pool in
            place, so nothing else is to be trained here.
    """

    broken: ClassVar[bool] = False

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        self._seen: Counter[int] = Counter()

    def run(self, size: int, step: Callable[[], None]) -> None:
        """Do one step on a batch of this size.

        Raises:
            ContractError: the step cannot be captured.
            OutOfMemoryError: the device has no room for the step.
        """
        if size not in self._graphs and self._seen[size] < EAGER_STEPS:
            self._seen[size] += 1
            self._on_own_stream(step)
            return
        if size not in self._graphs:
            self._graphs[size] = self._capture(step)
        self._graphs[size].replay()

    def _on_own_stream(self, step: Callable[[], None]) -> None:
        """Run on the stream of the capture: gradients remember the stream they were first made on."""
        current = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream), _no_word_of_capturing():
            step()
        current.wait_stream(self._stream)

    def _capture(self, step: Callable[[], None]) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                step()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            StepGraphs.broken = True
            _raise_if_out_of_memory(error)
            reason = " ".join(str(error.__context__ or error).split())[:200]  # the end of the capture hides it
            raise ContractError(
                "loss cannot be captured as a CUDA graph: it must do the same work every step and read nothing "
                f"back from the device (.item(), boolean masks); if it must, declare capturable = False ({reason})"
            ) from error
        return graph


def _raise_if_out_of_memory(error: BaseException) -> None:
    """Raise the lack of memory that an error began with: the end of the capture fails too, and hides it."""
    hidden = error.__cause__ or error.__context__
    while hidden is not None:
        if isinstance(hidden, torch.OutOfMemoryError):
            raise torch.OutOfMemoryError(str(hidden)) from error
        hidden = hidden.__cause__ or hidden.__context__


@contextlib.contextmanager
def _no_word_of_capturing() -> Iterator[None]:
    """Suppress the optimizers' warning that they are not captured: they will be."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")
        yield
