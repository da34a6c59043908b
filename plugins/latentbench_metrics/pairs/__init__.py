"""How alike two spaces are: one family of scores a file."""

from latentbench_metrics.pairs.distance_ranks import rsa
from latentbench_metrics.pairs.kernel_alignment import cka
from latentbench_metrics.pairs.linear_maps import linear_r2
from latentbench_metrics.pairs.matched_dimensions import mcc
from latentbench_metrics.pairs.neighbor_overlap import mutual_knn
from latentbench_metrics.pairs.neighbor_ranks import information_imbalance
from latentbench_metrics.pairs.optimal_matching import gromov_wasserstein_match
from latentbench_metrics.pairs.rotations import procrustes
from latentbench_metrics.pairs.stitching import stitched_r2

__all__ = [
    "cka",
    "gromov_wasserstein_match",
    "information_imbalance",
    "linear_r2",
    "mcc",
    "mutual_knn",
    "procrustes",
    "rsa",
    "stitched_r2",
]
