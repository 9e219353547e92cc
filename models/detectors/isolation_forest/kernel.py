"""Score with an isolation forest stored as flat arrays, without scikit-learn.

Every tree is stored as a perfect binary tree of the same depth: a leaf higher up is repeated in all positions below it,
under thresholds that nothing exceeds. So a path needs no pointers and no tests for leaves, and the nodes of 100 trees
of depth 8 (about 230 kB) stay in the second-level cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddy.models.core.detector import Floats

Floats32 = NDArray[np.float32]
_BLOCK = 256  # windows that pass one tree before the next; a multiple of 4
_ONE, _HALF, _COLUMN = np.uint64(1), np.uint64(32), np.uint64(0xFFFFFFFF)  # of a node's 64-bit record
_EULER = 0.5772156649015329


def average_path_length(n: Floats) -> Floats:
    """Return (k,) c(n) of Liu, Ting, Zhou 2008, equation 1: mean depth of an unsuccessful search among n points."""
    n = np.asarray(n, float)
    safe = np.maximum(n, 3)
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, 2 * (np.log(safe - 1) + _EULER) - 2 * (safe - 1) / safe))


def flatten(trees: list[Any], columns: list[NDArray[np.int64]], depth: int) -> dict[str, NDArray[Any]]:
    """Flatten scikit-learn trees into arrays.

    Args:
        trees: fitted ``sklearn.tree`` estimators, none deeper than ``depth``.
        columns: per tree, the columns of the data its features refer to.
        depth: D; all paths are padded to it.

    Returns:
        ``forest.column`` (T, 2^D - 1) uint8 (uint16 beyond 256 columns), ``forest.threshold`` (T, 2^D - 1) float32
        and ``forest.length`` (T, 2^D) float32: path length at each leaf, c(points in the leaf) included.
    """
    inner, leaves = 2**depth - 1, 2**depth
    column = np.zeros((len(trees), inner), np.min_scalar_type(max(int(own.max()) for own in columns)))
    threshold = np.full((len(trees), inner), np.finfo(np.float32).max, np.float32)
    length = np.zeros((len(trees), leaves), np.float32)
    for t, (estimator, own) in enumerate(zip(trees, columns, strict=True)):
        tree = estimator.tree_
        correction = average_path_length(tree.n_node_samples)
        # scikit-learn compares float32 data with float64 thresholds: the float32 just below gives the same result
        cut = tree.threshold.astype(np.float32)
        cut = np.where(cut > tree.threshold, np.nextafter(cut, np.float32(-np.inf)), cut)
        at, level = np.zeros(1, np.int64), np.zeros(1)  # tree node and true depth of each place in this layer
        for layer in range(depth):
            is_leaf = tree.children_left[at] < 0
            places = slice(2**layer - 1, 2 ** (layer + 1) - 1)
            column[t, places] = np.where(is_leaf, 0, own[np.maximum(tree.feature[at], 0)])
            threshold[t, places] = np.where(is_leaf, np.finfo(np.float32).max, cut[at])
            left = np.where(is_leaf, at, tree.children_left[at])
            right = np.where(is_leaf, at, tree.children_right[at])
            at = np.stack([left, right], axis=1).ravel()
            level = np.repeat(np.where(is_leaf, level, level + 1), 2)
        length[t] = level + correction[at]
    return {"forest.column": column, "forest.threshold": threshold, "forest.length": length}


def node_records(column: Any, threshold: Floats32) -> NDArray[np.uint64]:
    """Return (T, 2^D - 1) nodes as one uint64 each: the threshold's rank in the upper half, the column in the lower."""
    order = _order(np.ascontiguousarray(threshold, np.float32)).astype(np.uint64)
    return np.asarray(order << np.uint64(32) | column.astype(np.uint64))


def forest_score(nodes: NDArray[np.uint64], length: Floats32, x: Floats, sample: int) -> Floats:
    """Return (n,) anomaly scores 2^(-E[h] / c(sample)) of (n, columns) data without NaN (equation 2 of the paper).

    Args:
        nodes: from :func:`node_records`.
        length: (T, 2^D) path length at each leaf.
        x: the data; compared as float32.
        sample: points that each tree was grown from.
    """
    total = np.zeros(len(x))
    if len(x):
        _walk(nodes, length, _order(np.ascontiguousarray(x, np.float32)), total)
    usual = max(float(average_path_length(np.array([sample]))[0]), 1e-12)
    return np.asarray(2.0 ** (-total / (len(length) * usual)))


def _order(x: Floats32) -> NDArray[np.uint32]:
    """Return integers in the order of the floats: comparing them is cheaper, and they fit beside a column."""
    bits = (x + np.float32(0)).view(np.uint32)  # -0 and 0 are equal
    return np.where(bits >> np.uint32(31) == 1, ~bits, bits | np.uint32(1 << 31))


@njit(inline="always")  # type: ignore[untyped-decorator]
def _down(records: Any, root: Any, place: Any, flat: Any, base: Any) -> Any:
    """Return the child node that a window goes to."""
    record = records[root + place]
    value = np.uint64(flat[base + (record & _COLUMN)])
    return place + place + _ONE + np.uint64(value > record >> _HALF)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _walk(nodes: Any, length: Any, x: Any, total: Any) -> None:
    """Add up path lengths of four windows side by side in registers, so that their memory accesses overlap.

    Indices are unsigned, because numba tests signed ones for being negative at each access. All windows of a block pass
    a tree before the next one, so its nodes are in the first-level cache.
    """
    n, width = x.shape
    trees, inner = nodes.shape
    depth = 0
    while (1 << depth) - 1 < inner:
        depth += 1
    flat, records, lengths = x.ravel(), nodes.ravel(), length.ravel()
    zero, last = np.uint64(0), n - 1
    for begin in range(0, n, _BLOCK):
        end = min(begin + _BLOCK, n)
        for t in range(trees):
            root = np.uint64(t * inner)
            leaf = np.uint64(t * (inner + 1)) - np.uint64(inner)
            for i in range(begin, end, 4):
                a, b = np.uint64(i * width), np.uint64(min(i + 1, last) * width)
                c, d = np.uint64(min(i + 2, last) * width), np.uint64(min(i + 3, last) * width)
                p, q, r, s = zero, zero, zero, zero
                for _ in range(depth):
                    p = _down(records, root, p, flat, a)
                    q = _down(records, root, q, flat, b)
                    r = _down(records, root, r, flat, c)
                    s = _down(records, root, s, flat, d)
                total[i] += lengths[leaf + p]
                if i + 3 < end:
                    total[i + 1] += lengths[leaf + q]
                    total[i + 2] += lengths[leaf + r]
                    total[i + 3] += lengths[leaf + s]
                elif i + 1 < end:
                    total[i + 1] += lengths[leaf + q]
                    if i + 2 < end:
                        total[i + 2] += lengths[leaf + r]
