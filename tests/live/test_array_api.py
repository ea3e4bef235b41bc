"""The array API namespace in other people's hands: scikit-learn, and the strict implementation."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np
import pytest

import rushlight as rl

sys.path.insert(0, str(Path(__file__).parents[1] / "array_api"))
from expressions import expressions, inputs

# What NumPy allows beyond the standard.
BEYOND = {
    "xp.sum(B)", "xp.concat([A, N], axis=None)", "xp.stack([V, N[0, :3]])", "xp.multiply(B, B)",
    "xp.asarray([V[0], W[1]])", "xp.vecdot(A, A, axis=0)", "xp.fft.fft(A)", "xp.fft.fftn(A)",
}  # fmt: skip


@pytest.mark.parametrize("text", [text for text in expressions() if text not in BEYOND])
def test_as_the_strict_implementation(text: str) -> None:
    strict = pytest.importorskip("array_api_strict")
    _same(eval(text, inputs(rl.array_api)), eval(text, inputs(strict)))


def _same(mine: Any, theirs: Any) -> None:
    if isinstance(theirs, (tuple, list)):
        assert len(mine) == len(theirs)
        for one, other in zip(mine, theirs):
            _same(one, other)
    elif isinstance(mine, rl.Tensor):
        other = np.asarray(theirs)
        assert tuple(mine.shape) == other.shape
        np.testing.assert_allclose(mine.numpy(), other, rtol=1e-5, atol=1e-6)
    else:
        assert np.isclose(mine, theirs)


sklearn = pytest.importorskip("sklearn")
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances
from sklearn.preprocessing import MinMaxScaler, StandardScaler, normalize

FITS: dict[str, Any] = {
    "discriminant scores": lambda x, y: LinearDiscriminantAnalysis().fit(x, y).decision_function(x),
    "discriminant labels": lambda x, y: LinearDiscriminantAnalysis().fit(x, y).predict(x),
    "components": lambda x, y: PCA(2, svd_solver="full").fit(x).explained_variance_,
    "standardised": lambda x, y: StandardScaler().fit_transform(x),
    "scaled": lambda x, y: MinMaxScaler().fit_transform(x),
    "normalised": lambda x, y: normalize(x),
    "ridge": lambda x, y: Ridge(solver="svd").fit(x, x[:, 0]).coef_,
    "distances": lambda x, y: euclidean_distances(x),
    "similarities": lambda x, y: cosine_similarity(x),
    "accuracy": lambda x, y: accuracy_score(y, y[:]),
    "determination": lambda x, y: r2_score(x, x * 1.5),
}


@pytest.mark.parametrize("name", FITS)
def test_scikit_learn_computes_on_tensors(name: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] > 0).astype(np.int64)
    expected = FITS[name](x, y)
    with sklearn.config_context(array_api_dispatch=True):
        found = FITS[name](rl.from_numpy(x), rl.from_numpy(y))
    assert isinstance(found, (rl.Tensor, float))
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-3, atol=1e-4)
