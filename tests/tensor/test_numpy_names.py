"""NumPy's `axis` and `keepdims` where torch takes them for `dim` and `keepdim`."""

import pytest

import rushlight as torch

X = torch.arange(24.0).reshape(2, 3, 4).sin()
INDEX = torch.tensor([[[0, 1, 0, 1]] * 3])
ONE = torch.tensor([0])

CALLS = {
    "stack": lambda **k: torch.stack([X, X], **k), "cat": lambda **k: torch.cat([X, X], **k),
    "unsqueeze": X.unsqueeze, "squeeze": X[:, :1].squeeze, "softmax": X.softmax,
    "log_softmax": lambda **k: torch.log_softmax(X, **k), "amax": X.amax, "amin": X.amin,
    "aminmax": X.aminmax, "chunk": lambda **k: X.chunk(3, **k), "unbind": X.unbind,
    "topk": lambda **k: X.topk(2, **k), "count_nonzero": X.count_nonzero, "diff": X.diff,
    "quantile": lambda **k: X.quantile(0.5, **k), "cumsum": X.cumsum, "argsort": X.argsort,
    "nanquantile": lambda **k: X.nanquantile(0.5, **k),
    "repeat_interleave": lambda **k: X.repeat_interleave(2, **k),
    "take_along_dim": lambda **k: X.take_along_dim(INDEX.expand(2, 3, 4) * 0, **k),
    "tensor_split": lambda **k: X.tensor_split(2, **k),
    "select": lambda **k: X.select(index=1, **k),
    "narrow": lambda **k: X.narrow(start=0, length=1, **k),
    "gather": lambda **k: torch.gather(X, index=INDEX * 0, **k),
    "scatter": lambda **k: X.scatter(index=INDEX * 0, src=X, **k),
    "scatter_add": lambda **k: X.scatter_add(index=INDEX * 0, src=X, **k),
    "index_select": lambda **k: X.index_select(index=ONE, **k),
    "index_add": lambda **k: X.index_add(index=ONE, source=X[:, :1], **k),
    "index_copy": lambda **k: X.index_copy(index=ONE, source=X[:, :1], **k),
    "index_fill": lambda **k: X.index_fill(index=ONE, value=2.0, **k),
    "unflatten": lambda **k: torch.unflatten(X, sizes=(3, 1), **k),
    "cross": lambda **k: torch.cross(X, X + 1, **k),
    "fftshift": lambda **k: torch.fft.fftshift(X, **k),
    "linalg.cross": lambda **k: torch.linalg.cross(X, X + 1, **k),
    "linalg.norm": lambda **k: torch.linalg.norm(X, **k),
    "fft": lambda **k: torch.fft.rfft(X, **k),
    "vector_norm": lambda **k: torch.linalg.vector_norm(X, **k),
    "vecdot": lambda **k: torch.linalg.vecdot(X, X, **k),
    "all": X.all, "any": X.any, "argmax": X.argmax, "argmin": X.argmin, "logsumexp": X.logsumexp,
    "trapezoid": lambda **k: torch.trapezoid(X, **k), "trapz": lambda **k: torch.trapz(X, **k),
    "cumulative_trapezoid": lambda **k: torch.cumulative_trapezoid(X, **k),
    "gradient": lambda **k: torch.gradient(X, **k),
}  # fmt: skip


def flat(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("name", CALLS)
def test_axis_says_what_dim_says(name):
    by_dim, by_axis = flat(CALLS[name](dim=1)), flat(CALLS[name](axis=1))
    assert len(by_dim) == len(by_axis)
    for one, other in zip(by_dim, by_axis, strict=True):
        assert one.shape == other.shape and torch.equal(one, other)


KEEPING = ["amax", "amin", "quantile", "linalg.norm", "vector_norm", "all", "any", "argmax",
           "argmin", "logsumexp"]  # fmt: skip


@pytest.mark.parametrize("name", KEEPING)
def test_keepdims_says_what_keepdim_says(name):
    kept = CALLS[name](axis=1, keepdims=True)
    assert kept.shape == (2, 1, 4) and torch.equal(kept, CALLS[name](dim=1, keepdim=True))


@pytest.mark.parametrize("name", ["unsqueeze", "softmax", "log_softmax", "logsumexp"])
def test_one_of_both_is_required(name):
    with pytest.raises(TypeError, match=f'{name}.. missing 1 required positional arguments: "dim"'):
        CALLS[name]()
