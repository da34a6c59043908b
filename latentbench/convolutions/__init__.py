"""Convolutions that are faster than torch's own and need no change to a model.

Both are function modes: inside one, whatever calls `conv2d` or `conv_transpose2d`, a module of torch or a bare
function, gets the same numbers (within rounding) in another way. Whatever they do not cover goes to torch. The
environment variable LATENTBENCH_CONVOLUTIONS=torch turns both off.
"""

from __future__ import annotations

from latentbench.convolutions.cpu import FastConvolutions
from latentbench.convolutions.matmul import MatmulConvolutions

__all__ = ["FastConvolutions", "MatmulConvolutions"]
