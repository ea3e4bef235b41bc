"""Symbolic derivatives: formulas as printed, and equal to reverse mode at random points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl
from rushlight import sym

F = rl.nn.functional


def at(expression, seed=0, **ranges):
    """Random values for the variables of an expression (integers: below 3)."""
    rng = np.random.default_rng(seed)
    values = {}
    for x in expression.variables():
        shape = tuple(x.shape)
        if x.dtype is rl.int64:
            values[str(x)] = rl.tensor(rng.integers(0, 3, shape))
        else:
            low, high = ranges.get(str(x), (-1.5, 1.5))
            values[str(x)] = rl.tensor(rng.uniform(low, high, shape)).to(x.dtype)
    return values


def agrees(loss, wrt, seed=0, **ranges):
    """Whether every formula has the value that backward gives."""
    values = at(loss, seed, **ranges)
    for x in wrt:
        values[str(x)].requires_grad_()
    loss.eval(values).backward()
    for x, formula in zip(wrt, sym.grad(loss, wrt)):
        expected = values[str(x)].grad
        plain = {name: value.detach() for name, value in values.items()}
        found = formula.eval({k: v for k, v in plain.items() if k in map(str, formula.variables())})
        assert tuple(found.shape) == tuple(x.shape), (x, formula)
        np.testing.assert_allclose(
            found.numpy(), expected.numpy(), 1e-9, 1e-12, err_msg=f"{formula}"
        )


def doubles(**shapes):
    return [sym.var(name, shape, rl.float64) for name, shape in shapes.items()]


# --- scalars

SCALARS = {
    "1/(exp(-(w*x+b))+1)": "x*exp(-(w*x + b))/(exp(-(w*x + b)) + 1)**2",
    "w**3 + 2*w**2 - w + 7": "3*w**2 + 4*w - 1",
    "w**n": "n*w**(n - 1)",
    "log(w)/w": "1/w**2 - log(w)/w**2",
    "sqrt(w^2 + 1)": "w/sqrt(w**2 + 1)",
    "sin(w)*cos(w)": "cos(w)**2 - sin(w)**2",
    "tanh(w)": "1 - tanh(w)**2",
    "sigmoid(w)": "sigmoid(w)*(1 - sigmoid(w))",
    "w*log(w) - w": "log(w)",
    "exp(w)*exp(-w)*w": "1",
    "relu(w)": "[w > 0]",
    "log(exp(w*x))": "x",
    "(w + 1)/(w - 1)": "1/(w - 1) - (w + 1)/(w - 1)**2",
    "x": "0",
}


@pytest.mark.parametrize("formula", SCALARS)
def test_a_scalar_formula_prints_its_derivative(formula):
    output = sym.parse(formula)
    if formula == "x":
        assert str(sym.grad(output, sym.var("w", (), rl.float64))) == "0"
        return
    assert str(sym.derivative(formula, "w")) == SCALARS[formula]


@pytest.mark.parametrize("formula", [f for f in SCALARS if "w" in f])
@pytest.mark.parametrize("seed", [1, 2])
def test_scalar_formulas_equal_reverse_mode(formula, seed):
    output = sym.parse(formula)
    wrt = output.variables()
    agrees(output, wrt, seed, w=(1.1, 2.0), n=(1.0, 3.0), x=(0.5, 1.0))


UNARY = ("exp", "sin", "cos", "tanh", "sigmoid", "relu", "softplus", "abs", "square", "atan", "neg")


def _formulas():
    leaf = st.sampled_from(["x", "y", "z", "2", "3", "0.5", "1"])

    def grow(inner):
        binary = st.tuples(st.sampled_from("+-*"), inner, inner).map(
            lambda t: f"({t[1]}{t[0]}{t[2]})"
        )
        quotient = st.tuples(inner, inner).map(lambda t: f"({t[0]}/(({t[1]})^2 + 1))")
        unary = st.tuples(st.sampled_from(UNARY), inner).map(
            lambda t: f"(-{t[1]})" if t[0] == "neg" else f"{t[0]}({t[1]})"
        )
        power = st.tuples(inner, st.sampled_from("23")).map(lambda t: f"({t[0]})^{t[1]}")
        return st.one_of(binary, quotient, unary, power)

    return st.recursive(leaf, grow, max_leaves=8)


@settings(max_examples=150, deadline=None)
@given(_formulas(), st.integers(0, 5))
def test_random_formulas_keep_their_value_and_their_gradient(formula, seed):
    output = sym.parse(f"{formula} + 0*x")
    values = at(output, seed)
    simple = sym.simplify(output)
    given_ = {k: v for k, v in values.items() if k in map(str, simple.variables())}
    before, after = output.eval(values).item(), simple.eval(given_).item()
    if not np.isfinite(before) or abs(before) > 1e8:
        return
    assert after == pytest.approx(before, rel=1e-7, abs=1e-9), (formula, simple)
    x = output.variables()[-1]
    values[str(x)].requires_grad_()
    output.eval(values).backward()
    slope = sym.grad(output, x)
    given_ = {k: v.detach() for k, v in values.items() if k in map(str, slope.variables())}
    expected = values[str(x)].grad.item()
    if np.isfinite(expected) and abs(expected) < 1e8:
        assert slope.eval(given_).item() == pytest.approx(expected, rel=1e-6, abs=1e-8), slope


@settings(max_examples=60, deadline=None)
@given(_formulas())
def test_simplifying_twice_changes_nothing_and_text_reads_back(formula):
    simple = sym.simplify(sym.parse(formula) + sym.parse("x"))
    assert str(sym.simplify(simple)) == str(simple)
    values = at(simple, 3)
    text = str(simple)
    if "[" in text or "sign" in text or "softplus" in text or "where" in text:
        return
    again = sym.parse(f"{text} + 0*q")
    values["q"] = rl.tensor(1.0, dtype=rl.float64)
    given_ = {k: v for k, v in values.items() if k in map(str, again.variables())}
    assert again.eval(given_).item() == pytest.approx(
        simple.eval({k: v for k, v in values.items() if k != "q"}).item(), rel=1e-9, nan_ok=True
    )


# --- tensors


def least_squares():
    X, w, y = doubles(X=(5, 3), w=(3,), y=(5,))
    return ((X @ w - y) ** 2).sum(), [w, X, y]


def quadratic():
    x, A = doubles(x=(3,), A=(3, 3))
    return x @ A @ x, [x, A]


def weighted_softmax():
    z, g = doubles(z=(4,), g=(4,))
    return (rl.softmax(z, 0) * g).sum(), [z, g]


def cross_entropy():
    (z,) = doubles(z=(6, 3))
    return F.cross_entropy(z, sym.var("t", (6,), rl.int64)), [z]


def network():
    X, W, b, V, c = doubles(X=(5, 4), W=(7, 4), b=(7,), V=(3, 7), c=(3,))
    scores = F.linear(rl.relu(F.linear(X, W, b)), V, c)
    return F.cross_entropy(scores, sym.var("t", (5,), rl.int64)), [W, b, V, c]


def smooth_network():
    x, W, b, V = doubles(x=(4,), W=(6, 4), b=(6,), V=(2, 6))
    return ((V @ rl.tanh(W @ x + b)) ** 2).sum(), [W, b, V, x]


def logistic_regression():
    X, w, y = doubles(X=(5, 3), w=(3,), y=(5,))
    return F.binary_cross_entropy_with_logits(X @ w, y), [w, X]


def ridge():
    X, w, y = doubles(X=(5, 3), w=(3,), y=(5,))
    return F.mse_loss(X @ w, y) + 0.1 * (w * w).sum(), [w]


def frobenius():
    A, B = doubles(A=(3, 4), B=(4, 5))
    return ((A @ B) ** 2).sum(), [A, B]


def norms():
    x, y = doubles(x=(4,), y=(4,))
    return rl.linalg.norm(x - y) + rl.dot(x, y) / (x @ x + 1), [x, y]


def broadcasts():
    a, b, c = doubles(a=(3, 1), b=(4,), c=())
    return (rl.exp(a * b) * c + a - b / 2).sum() + (a + b).mean(), [a, b, c]


def traces():
    A, B = doubles(A=(3, 3), B=(3, 3))
    return rl.trace(A @ B) + rl.logsumexp(A.reshape(9), 0), [A, B]


def layers():
    x, g = doubles(x=(2, 6), g=(6,))
    normal = F.layer_norm(x, (6,))
    return (F.gelu(normal) * g).mean(), [x, g]


def shapes_moved():
    (x,) = doubles(x=(2, 3, 4))
    return (x.permute(2, 0, 1).reshape(4, 6)[1:3, ::2] ** 2).sum() + x.amax(), [x]


def attention():
    Q, K, V = doubles(Q=(4, 8), K=(6, 8), V=(6, 3))
    return ((rl.softmax(Q @ K.T / 8**0.5, -1) @ V) ** 2).sum(), [Q, K, V]


def inverses():
    M, b, v = doubles(M=(3, 3), b=(3,), v=(3,))
    P = M @ M.T + 3 * rl.eye(3, dtype=rl.float64)
    return rl.logdet(P) + rl.linalg.det(P) + rl.linalg.solve(P, b) @ v, [M, b, v]


def statistics():
    x, y = doubles(x=(4, 3), y=(3,))
    return x.var(0).sum() + y.std() + F.cosine_similarity(x, y, dim=1).sum(), [x, y]


LOSSES = [
    attention, inverses, statistics,
    least_squares, quadratic, weighted_softmax, cross_entropy, network, smooth_network,
    logistic_regression, ridge, frobenius, norms, broadcasts, traces, layers, shapes_moved,
]  # fmt: skip


@pytest.mark.parametrize("make", LOSSES, ids=lambda make: make.__name__)
@pytest.mark.parametrize("seed", [0, 1])
def test_tensor_formulas_equal_reverse_mode(make, seed):
    loss, wrt = make()
    agrees(loss, wrt, seed, y=(0.1, 0.9))


def formulas(make):
    loss, wrt = make()
    return [str(g) for g in sym.grad(loss, wrt)]


def test_tensor_formulas_are_those_of_the_books():
    assert formulas(least_squares) == ["2 X^T (X w - y)", "2 (X w - y) w^T", "2 (y - X w)"]
    assert formulas(quadratic) == ["(A + A^T) x", "x x^T"]
    assert formulas(weighted_softmax)[0] == "(g - g^T softmax(z)) ⊙ softmax(z)"
    assert formulas(cross_entropy) == ["(softmax(z) - onehot(t)) / 6"]
    assert formulas(logistic_regression)[0] == "X^T (sigmoid(X w) - y) / 5"
    assert formulas(frobenius) == ["2 A B B^T", "2 A^T A B"]
    assert (
        formulas(attention)[2]
        == "2 softmax(0.35355339059327373 Q K^T)^T softmax(0.35355339059327373 Q K^T) V"
    )
    (M,) = doubles(M=(3, 3))
    assert str(sym.grad(rl.linalg.slogdet(M).logabsdet, M)) == "(M^-1)^T"
    # nan where the determinant is negative, as in torch, and no gradient there
    assert str(sym.grad(rl.logdet(M), M)) == "where(linalg_slogdet(M) == (-1), 0, 1) (M^-1)^T"
    assert str(sym.grad(rl.linalg.det(M), M)) == "det(M) (M^-1)^T"


def test_latex():
    loss, (w, *_) = least_squares()
    assert sym.grad(loss, w).latex() == r"2 X^{\top} \left(X w - y\right)"
    assert loss.latex() == r"\left\lVert X w - y \right\rVert^{2}"
    slope = sym.derivative("1/(exp(-(w*x+b))+1)", "w")
    assert slope.latex() == (
        r"\frac{x e^{-\left(w x + b\right)}}{\left(e^{-\left(w x + b\right)} + 1\right)^{2}}"
    )
    assert sym.parse("alpha_1 * sqrt(beta)").latex() == r"\alpha_{1} \sqrt{\beta}"


def test_jacobians_and_hessians_are_matrix_formulas():
    (z,) = doubles(z=(4,))
    assert str(sym.jacobian(rl.softmax(z, 0), z)) == "diag(softmax(z)) - softmax(z) softmax(z)^T"
    loss, (w, *_) = least_squares()
    assert str(sym.hessian(loss, w)) == "2 X^T X"
    loss, (x, _) = quadratic()
    assert str(sym.hessian(loss, x)) == "A + A^T"


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "tanh layer", "normal", "scaled"])
def test_jacobian_formulas_equal_reverse_mode(name):
    z, W, b = doubles(z=(4,), W=(3, 4), b=(3,))
    y = {
        "softmax": lambda: rl.softmax(z, 0), "log_softmax": lambda: rl.log_softmax(z, 0),
        "tanh layer": lambda: rl.tanh(W @ z + b), "normal": lambda: z / rl.linalg.norm(z),
        "scaled": lambda: (z @ z) * z + z.sum(),
    }[name]()  # fmt: skip
    formula = sym.jacobian(y, z)
    values = at(y)
    expected = rl.autograd.functional.jacobian(lambda v: y.eval({**values, "z": v}), values["z"])
    given_ = {k: v for k, v in values.items() if k in map(str, formula.variables())}
    np.testing.assert_allclose(formula.eval(given_).numpy(), expected.numpy(), 1e-9, 1e-12)


def test_hessian_of_a_logistic_regression_equals_functional_hessian():
    loss, (w, _) = logistic_regression()
    values = at(loss, y=(0, 1))
    expected = rl.autograd.functional.hessian(lambda v: loss.eval({**values, "w": v}), values["w"])
    formula = sym.hessian(loss, w)
    given_ = {k: v for k, v in values.items() if k in map(str, formula.variables())}
    np.testing.assert_allclose(formula.eval(given_).numpy(), expected.numpy(), 1e-9)


def test_repeated_parts_get_names():
    loss, (W, *_) = smooth_network()
    lines = sym.described(sym.grad(loss, W), "dL/dW").splitlines()
    assert lines[0].startswith("dL/dW = 2 ") and "where s = tanh(W x + b)" in lines[1]


# --- functions, and what they cannot hold


def test_a_python_function_is_differentiated_as_a_formula():
    def f(x, A):
        y = x
        for _ in range(2):  # a loop that no value decides
            y = A @ y
        return y @ x

    assert str(sym.derivative(f, "x", x=(3,), A=(3, 3))) == "(A A + A^T A^T) x"


@pytest.mark.parametrize("what", ["if", "float", "item", "range", "numpy", "while"])
def test_control_flow_on_values_names_the_line(what):
    def f(x):
        if what == "if" and x > 0:
            return x
        if what == "float":
            return x * float(x)
        if what == "item":
            return x * x.item()
        if what == "range":
            return sum(x for _ in range(x))
        if what == "numpy":
            return rl.tensor(np.asarray(x))
        while what == "while" and x < 3:
            x = x * 2
        return x

    with pytest.raises(sym.SymbolicError, match="needs the value") as caught:
        sym.from_function(f)
    notes = "\n".join(caught.value.__notes__)
    assert "control flow that depends on values" in notes and "test_symbolic.py" in notes


def test_in_place_writes_are_refused_and_augmented_assignment_is_not():
    (x,) = doubles(x=(3,))
    y = x
    y += 1
    assert str(y) == "x + 1" and str(x) == "x"
    for write in (lambda: x.add_(1), lambda: x.__setitem__(0, 1.0)):
        with pytest.raises(sym.SymbolicError, match="in place"):
            write()


def test_detach_cuts_the_formula():
    (x,) = doubles(x=(3,))
    assert str(sym.grad((x * x.detach()).sum(), x)) == str(x.detach())


def test_a_gradient_needs_a_scalar():
    (x,) = doubles(x=(3,))
    with pytest.raises(sym.SymbolicError, match="needs a scalar"):
        sym.grad(x * 2, x)


def test_batch_norm_in_training_is_a_formula_and_leaves_its_statistics_alone():
    x = sym.var("x", (6, 4))
    layer = rl.nn.BatchNorm1d(4)
    slope = sym.grad(rl.sin(layer(x)).sum(), x)
    assert layer.running_mean.abs().max() == 0 and layer.running_var.min() == 1
    value = rl.randn(6, 4, requires_grad=True)
    rl.sin(rl.nn.functional.batch_norm(value, None, None, training=True)).sum().backward()
    rl.testing.assert_close(slope.eval(x=value.detach()), value.grad)
