"""What the page of a run has where a server serves it, beyond the file that opens by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from latentbench.report.page.decoding.section import DecodingContent
from latentbench.report.page.scripts import PageScript

__all__ = ["PageAddition"]


@dataclass(frozen=True)
class PageAddition:
    """Parts of a page that ask its server.

    Attributes:
        scripts: read after those of the file.
        style: a style sheet, read after that of the file.
        decoding: heading of a data set -> what collects the models that decode in its part of the page.
    """

    scripts: Sequence[PageScript]
    style: str
    decoding: Callable[[str], DecodingContent]
