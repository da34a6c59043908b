"""Convolutions that are faster than torch's own and need no change to a model.

They are function modes: inside one, whatever calls `conv2d` or `conv_transpose2d`, a module of torch or a bare
function, gets the same numbers (within rounding) in another way. Whatever they do not cover goes to torch. The one
for stacks on a CPU, `stacked.StackedLayers`, covers dense layers too. The environment variable
LATENTBENCH_CONVOLUTIONS=torch turns all of them off.
"""

from __future__ import annotations

from latentbench.convolutions.cpu import FastConvolutions
from latentbench.convolutions.matmul import MatmulConvolutions

__all__ = ["FastConvolutions", "MatmulConvolutions"]
