"""Cut one set of examples into a training part and a held-out part, always the same way."""

from __future__ import annotations

import numpy as np


def stratified_split(
    targets: np.ndarray, held_out: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted indices of the training and of the held-out part.

    Each class gives its share to the held-out part, rounded by the largest remainder, chosen
    with the generator of `numpy.random.RandomState(seed)`, whose stream NumPy has frozen.

    >>> train, test = stratified_split(np.array([0, 1] * 10), 4, seed=0)
    >>> len(train), len(test)
    (16, 4)
    """
    classes, counts = np.unique(targets, return_counts=True)
    exact = counts * (held_out / len(targets))
    takes = np.floor(exact).astype(int)
    missing = held_out - int(takes.sum())
    # stable, so that equal remainders go to the lower class on every platform
    order = np.argsort(takes - exact, kind="stable")
    takes[order[:missing]] += 1
    random = np.random.RandomState(seed)
    chosen = [
        random.permutation(np.flatnonzero(targets == label))[:take]
        for label, take in zip(classes, takes, strict=True)
    ]
    held = np.sort(np.concatenate(chosen))
    kept = np.ones(len(targets), bool)
    kept[held] = False
    return np.flatnonzero(kept), held
