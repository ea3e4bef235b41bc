"""`torch.func.rearrange` against reshaping by hand, and torch's words for wrong patterns."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight.func import rearrange

X = np.random.default_rng(0).normal(size=(4, 6, 8, 3))
CASES = {
    "b h w c -> b c h w": ({}, X.transpose(0, 3, 1, 2)),
    "b h w c -> (b h) w c": ({}, X.reshape(24, 8, 3)),
    "b h w c -> h (b w) c": ({}, X.transpose(1, 0, 2, 3).reshape(6, 32, 3)),
    "b (h p) (w q) c -> b h w (p q c)": (
        {"p": 2, "q": 4},
        X.reshape(4, 3, 2, 2, 4, 3).transpose(0, 1, 3, 2, 4, 5).reshape(4, 3, 2, 24),
    ),
    "... c -> c ...": ({}, X.transpose(3, 0, 1, 2)),
    "b ... -> (b ...)": ({}, X.reshape(-1)),
    "b ... c -> b (...) c": ({}, X.reshape(4, 48, 3)),
    "a b c d -> d 1 (a b) c": ({}, X.transpose(3, 0, 1, 2).reshape(3, 1, 24, 8)),
    "b h w c ... -> b h c ... w": ({}, X.transpose(0, 1, 3, 2)),
}


@pytest.mark.parametrize("pattern", CASES)
def test_patterns(pattern):
    lengths, wanted = CASES[pattern]
    np.testing.assert_array_equal(rearrange(torch.tensor(X), pattern, **lengths).numpy(), wanted)


def test_a_view_where_it_can_be_with_gradients():
    x = torch.tensor(X, requires_grad=True)
    y = rearrange(x, "a b c d -> d c b a")
    assert y.data_ptr() == x.data_ptr()
    y[0].sum().backward()
    np.testing.assert_array_equal(x.grad.numpy()[..., 0], 1)
    assert x.grad.sum().item() == 4 * 6 * 8


def test_several_tensors_are_stacked():
    parts = [torch.full((2, 3), float(k)) for k in range(4)]
    y = rearrange(parts, "n a b -> a (n b)")
    assert y.shape == (2, 12) and y[0].tolist() == [k // 3 for k in range(12)]


@pytest.mark.parametrize(("pattern", "lengths", "kind", "words"), [
    ("a b", {}, "ValueError", "Pattern must contain a single '->' separator"),
    ("a b c -> a", {}, "ValueError", "Identifiers only on one side of rearrange expression"),
    ("a b -> a b", {}, "ValueError", "in pattern (2) must be equal to the number of dimensions"),
    ("(a b c d -> a b c d", {}, "ValueError", "Imbalanced parentheses in expression"),
    ("a a b c -> a b c", {}, "ValueError", "contains duplicate dimension 'a'"),
    ("a (b z) c d -> a b z c d", {}, "DimensionBindError", "cannot infer the sizes of two"),
    ("a (b z) c d -> a b z c d", {"z": 4}, "DimensionBindError", "does not evenly fit into"),
    ("a 2 c d -> a c d", {}, "ValueError", "rearrange only supports unnamed axes of size 1"),
    ("(... a) b -> ... a b", {}, "ValueError", "Ellipsis is parenthesis in the left side"),
    ("a b c d -> a b c d", {"z": 1}, "ValueError", "not found in rearrange expression: {'z'}"),
    ("a (b (c d)) e f-> a b c d e f", {}, "ValueError", "Axis composition is one-level"),
    ("a,b c d -> a b c d", {}, "ValueError", "Unknown character ','"),
])  # fmt: skip
def test_torchs_words(pattern, lengths, kind, words):
    with pytest.raises(Exception) as caught:
        rearrange(torch.tensor(X), pattern, **lengths)
    assert type(caught.value).__name__ == kind and words in str(caught.value)
