"""Random programs as a user writes them: text made from a seed, run with any library like torch.

A program is a function `build(t)` that makes a world (a module, an optimiser, a tensor held
outside) and gives a step and that world. Lines are proposed at random and kept when they run and
their values stay small, so that every program is a valid one. `play` makes several calls with
different inputs and gives everything that can be seen afterwards.
"""

# ruff: noqa: E501, PERF401  (a table of templates, as long as they are)
from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import rushlight as rl

CALLS = 4
SIZES = [(3, 4), (4,), (3, 1), (4, 4), (2, 3, 4), (1, 4), (4, 3), ()]
BOUND, LARGEST = 1e3, 300

UNARY = """X.tanh()|X.sigmoid()|X.sin()|t.cos(X)|X.abs()|X.relu()|-X|X.square()|X.exp()|X.erf()
X.clamp(-0.5, 0.7)|X.clamp(min=0.1)|F.gelu(X)|F.silu(X)|F.softplus(X)|F.leaky_relu(X, 0.1)|F.elu(X)
(X.abs() + 0.5).log()|(X.abs() + 0.5).sqrt()|(X.square() + 0.5).rsqrt()|1 / (X.abs() + 0.5)
t.expm1(X)|t.log1p(X.abs())|X.floor()|X.round()|X.sign()|X.trunc()|X.frac()|X.atan()|X ** 2|X ** 3
2 ** X|X * 2 - 1|3 - X|X.clone()|X.detach()|X.contiguous()|t.nan_to_num(X)|F.hardtanh(X)|X.logit(0.1)
F.relu6(X)|F.hardswish(X)|F.mish(X)|F.selu(X)|t.zeros_like(X)|t.full_like(X, 0.5) * X|X.heaviside(X)
F.gelu(X, approximate='tanh')|F.logsigmoid(X)|F.threshold(X, 0.2, -1.0)|X.sinc()|X.tan().atan()"""
BINARY = """X + Y|X - Y|X * Y|X / (Y.abs() + 0.5)|t.maximum(X, Y)|t.minimum(X, Y)|t.atan2(X, Y + 3)
(X.abs() + 0.5) ** Y.clamp(-1, 1)|t.where(X > Y, X, Y * 0.5)|t.lerp(X, Y, 0.3)|t.hypot(X, Y + 2)
t.where(X > 0, X, -1.0)|t.where(Y > 0.1, 0.5, X)|t.add(X, Y, alpha=0.5)|t.addcmul(X, Y, Y, value=0.1)
t.fmod(X, Y.abs() + 0.5)|X % (Y.abs() + 0.5)|X // (Y.abs() + 0.5)|t.copysign(X, Y)|t.logaddexp(X, Y)
t.cat([X, Y])|t.cat([X, Y], -1)|t.stack([X, Y])|t.stack([X, Y], -1)|t.outer(X.flatten()[:3], Y.flatten()[:4])
X.addcdiv(Y, Y.square() + 1)|X.clamp(Y - 1, Y + 1)|t.dist(X, Y)|X.xlogy(Y.abs() + 0.5)|X.fmax(Y)"""
REDUCE = """X.sum()|X.mean()|X.sum(D)|X.mean(D, keepdim=True)|X.amax(D)|X.amin(D, True)|X.prod(D)|X.var()
X.std(D)|X.logsumexp(D)|X.norm()|X.norm(dim=D)|X.cumsum(D)|X.max(D).values|X.min(D)[0]|X.max()|X.min()
X.sort(D).values|X.cumprod(D)|X.topk(1, D)[0]|X.var(D, correction=0)|X.median(D)[0]|X.sum((0, -1))
X.mean((0, 1))|X.cummax(D)[0]|X.norm(p=1)|X.flatten().dot(X.flatten())|X.diff(dim=D)|t.aminmax(X)[1]
X.nansum(D)|X.logcumsumexp(D)|t.linalg.vector_norm(X, dim=D)|X.var_mean(D)[1]|X.kthvalue(1, D)[0]"""
VIEW = """X.view(-1)|X.reshape(-1, 2)|X.reshape(2, -1)|X.t()|X.transpose(0, -1)|X.unsqueeze(D)|X.squeeze()
X.flip(D)|X[0]|X[..., 0]|X[1:]|X[:, ::2]|X[..., -1:]|X[None]|X.expand(2, *X.shape)|X.narrow(D, 0, 2)
X.chunk(2, D)[1]|X.diagonal()|X.roll(1, D)|X.mT|X.flatten()|X.select(D, 1)|X.repeat(2, 1)|X.split(2, D)[0]
X.unbind(D)[0]|X.movedim(0, -1)|F.pad(X, (1, 1))|F.pad(X, (1, 0), value=0.5)|X.tril()|X.triu(1)|X.view_as(X)
X.unfold(-1, 2, 1)|X.repeat_interleave(2, D)|X.broadcast_to(3, 4)|X.swapaxes(0, -1)|X.rot90()|X.tile(2)"""
INDEX = """X[I]|X[..., I]|X.index_select(D, I)|X.gather(0, I[:, None].expand(3, X.shape[-1]))|X[I, 0]
X.masked_fill(M, 0.5)|t.where(M, X, -X)|X.index_add(D, I, X)|X.scatter_add(0, I[:, None].expand(3, 3), X)
F.embedding(I, X)|F.one_hot(I, 4).to(X.dtype)|t.take(X, I)|X[:, I].sum(0)|X * M|X.index_fill(D, I, 0.3)
X.scatter(0, I[:, None], 0.7)|t.take_along_dim(X, I[:, None], 0)|X[I] * I.unsqueeze(-1)|X[[0, 1]]"""
INPLACE = """X.mul_(0.5)|X.add_(Y)|X[0] = 0.25|X[..., 0] += 1|X[M] = 0.5|X.copy_(Y)|X += Y|X *= 0.9|X.tanh_()
X.clamp_(-1, 1)|X.masked_fill_(M, 0.1)|X[1:].sub_(0.5)|X.t()[0].neg_()|X.zero_()|X.fill_(0.3)|X[I] = 1.5
X.view(-1)[::2].add_(1)|X[0] += Y[0]|X.lerp_(Y, 0.5)|X.index_add_(0, I, X.clone())|X[0, 1:] = X[0, :-1]
X.flatten()[0] = 2|X.relu_()|X.diagonal().add_(1)|X[:, I] = 0.2|X.transpose(0, 1).mul_(1.1)|X /= 2
X.index_copy_(0, I[:1], X[:1].clone())|X.data.add_(0.1)|X.sigmoid_()|X.addcmul_(Y, Y, value=0.1)"""
MATRIX = """X @ Y|X @ Y.t()|X.t() @ Y|F.linear(X, Y)|t.einsum('ij,kj->ik', X, Y)|X.mv(Y[0])|X.matmul(Y.mT)
t.addmm(X[:, :1], X, Y)|t.einsum('ij,ij->j', X, Y)|t.einsum('...i,ji->...j', X, Y)|t.tensordot(X, Y, 1)
X.unsqueeze(0).bmm(Y.unsqueeze(0))|t.cdist(X, Y)|t.baddbmm(X[None], X[None], Y[None])|X.kron(Y[:2, :2])"""
NORM = """X.softmax(D)|X.log_softmax(D)|F.layer_norm(X, X.shape[-1:])|F.normalize(X, dim=D)|F.softmin(X, D)
F.rms_norm(X, X.shape[-1:])|F.mse_loss(X, Y)|F.cross_entropy(X, I)|F.l1_loss(X, Y)|F.smooth_l1_loss(X, Y)
F.binary_cross_entropy_with_logits(X, Y.sigmoid())|F.kl_div(X.log_softmax(-1), Y.softmax(-1))|F.glu(X, -1)
F.nll_loss(X.log_softmax(-1), I)|F.cosine_similarity(X, Y, -1)|F.huber_loss(X, Y)|F.group_norm(X, 1)
F.scaled_dot_product_attention(X, X, X)|F.cross_entropy(X, I, label_smoothing=0.1)|F.batch_norm(X, None, None, training=True)"""
CAST = """X.long()|X.int()|X.to(t.float32)|X.double()|X > 0.1|X <= Y|X.argmax(D)|X.argmin()|X.argsort(D)
(X > 0).any(D)|(X > 0).all()|(X > 0).sum()|(X * 3).to(t.uint8).to(t.int64)|X.isfinite()|X.eq(0)|X.bool()
t.arange(4) + I.sum()|I * 2 - 1|I // 2|I % 3|I.cumsum(0)|I.to(X.dtype)|~M|M & (X > 0)|M.long().sum()|I.max()
I & 3|I << 1|I.float().mean()|I == 1|(I + 1).prod()|M | (X < 0)|I.flip(0)|t.arange(3, dtype=X.dtype) * X.sum()
I - 5 // (I + 1)|(I - 2).abs()|I.sort(descending=True)[0]|t.where(I > 1, I, -I)|I / 2|I ** 2|t.bitwise_not(I)
t.searchsorted(t.arange(4.0), I.float())|t.tril(t.ones(3, 3)) * X.sum()|t.linspace(0, 1, 4) + X.mean()"""
DRAW = """F.dropout(X, 0.5)|X + t.rand(X.shape)|X + t.randn_like(X) * 0.1|t.bernoulli(X.sigmoid())
X[t.randperm(3)]|X * t.randint(0, 3, X.shape)|X + t.empty_like(X).uniform_(-1, 1)|t.normal(X, 0.1)
t.rand(3, 4) * 0.5|F.dropout1d(X, 0.3)|t.rand_like(X) > 0.5|X + t.randn(4, generator=None)"""
GRAD = """t.autograd.grad(Y.sum(), [A])[0]|t.autograd.grad((Y * Y).mean(), A, create_graph=True)[0]
t.autograd.grad(Y.sin().sum(), [A], create_graph=True)[0]|t.autograd.grad(Y, A, t.ones_like(Y), retain_graph=True)[0]"""
CALL = "net(X)|net(X) * 0.5|net(X.detach())|net(X).softmax(-1)|net(A)|net(X).square().mean()"
STATEMENT = """loss = Y.square().mean(); loss.backward()|Y.sum().backward()|(X + Y).tanh().mean().backward()
held.mul_(0.9).add_(X.detach().mean())|held[0] += 1|held.copy_(X.detach().flatten()[:4])|X.sum().backward(retain_graph=True)"""
FAMILIES = {  # templates and how often
    UNARY: 5, BINARY: 5, REDUCE: 3, VIEW: 4, INDEX: 2, INPLACE: 5, MATRIX: 2, NORM: 2, CAST: 2,
    DRAW: 1, GRAD: 2, CALL: 1, STATEMENT: 1,
}  # fmt: skip
TEMPLATES = {text: text.replace("\n", "|").replace("I | ", "I @@ ").split("|") for text in FAMILIES}
TEMPLATES[CAST] = [x for x in TEMPLATES[CAST] if x not in ("M ", " (X < 0)")] + [
    "M.logical_or(X < 0)"
]
NETS = [
    "nn.Linear(4, 4)", "nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Dropout(0.3), nn.Linear(5, 4))",
    "nn.Sequential(nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 4))",
    "nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4), nn.GELU())", "nn.BatchNorm1d(4, momentum=None)",
]  # fmt: skip
OPTIMISERS = [
    "SGD(net.parameters(), lr=0.1)", "SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True)",
    "Adam(net.parameters(), lr=0.01)", "AdamW(net.parameters(), lr=0.01, weight_decay=0.1)",
    "RMSprop(net.parameters(), lr=0.01)", "Adagrad(net.parameters(), lr=0.1, weight_decay=0.01)",
]  # fmt: skip


class Program:
    """The text of one program and the forms of its arguments."""

    def __init__(self, seed: int, dtype: str, setup: list[str], forms: list[Any]) -> None:
        self.seed, self.dtype, self.setup, self.forms = seed, dtype, setup, forms
        self.lines: list[str] = []
        self.returned = "()"
        self.narrow = dtype == "float32"  # whether single precision occurs anywhere

    def text(self) -> str:
        body = "".join(f"        {line}\n" for line in self.lines)
        names = ", ".join(name for name, *_ in self.forms)
        setup = "".join(f"    {line}\n" for line in self.setup)
        return (f"def build(t):\n    nn, F = t.nn, t.nn.functional\n{setup}    def step({names}):\n"
                f"{body}        return {self.returned}\n    return step, [held, net, opt]\n")  # fmt: skip

    def arguments(self, t: Any, call: int, noise: float = 0.0) -> list[Any]:
        """Inputs of one call; `noise` moves the numbers a little."""
        rng, drift = np.random.default_rng([self.seed, call]), np.random.default_rng(call)
        made = []
        for _, kind, shape, grad in self.forms:
            if kind == "float":
                x = rng.standard_normal(shape) * (1 + noise * drift.standard_normal(shape))
                x = t.tensor(x.tolist(), dtype=getattr(t, self.dtype))
                made.append(x.requires_grad_() if grad else x)
            elif kind == "int":
                made.append(t.tensor(rng.integers(0, 3, shape).tolist()))
            else:
                made.append(t.tensor((rng.random(shape) < 0.5).tolist()))
        return made


def _forms(rng: Any) -> list[Any]:
    forms = [("x0", "float", (3, 4), True)]
    for k in range(1, 4):
        forms.append((f"x{k}", "float", SIZES[rng.integers(len(SIZES))], bool(rng.random() < 0.4)))
    mask = [(3, 4), (4,), (3, 1)][rng.integers(3)]
    return [*forms, ("i0", "int", (3,), False), ("m0", "bool", mask, False)]


def _setup(rng: Any, dtype: str) -> list[str]:
    net = NETS[rng.integers(len(NETS))]
    optimiser = OPTIMISERS[rng.integers(len(OPTIMISERS))]
    return [f"held = t.ones(4, dtype=t.{dtype})", f"net = {net}.to(t.{dtype})",
            f"opt = t.optim.{optimiser}"]  # fmt: skip


class Writer:
    """Proposes lines and keeps those that run."""

    def __init__(self, seed: int, dtype: str) -> None:
        self.rng = np.random.default_rng([seed, 7])
        self.program = Program(seed, dtype, _setup(self.rng, dtype), _forms(self.rng))
        self.space: dict[str, Any] = {"t": rl, "nn": rl.nn, "F": rl.nn.functional}
        rl.manual_seed(seed)
        for line in self.program.setup:
            exec(line, self.space)
        arguments = self.program.arguments(rl, 0)
        self.kinds: dict[str, list[str]] = {"float": [], "int": [], "bool": []}
        for (name, kind, _, _), x in zip(self.program.forms, arguments):
            self.space[name] = x
            self.kinds[kind].append(name)

    def pick(self, kind: str) -> str:
        names = self.kinds[kind]
        recent = names[-4:] if self.rng.random() < 0.6 else names
        return str(recent[self.rng.integers(len(recent))])

    def line(self) -> tuple[str, str]:
        """A proposal: the family's text and the line without its result's name."""
        weights = np.array(list(FAMILIES.values()), float)
        family = list(FAMILIES)[self.rng.choice(len(weights), p=weights / weights.sum())]
        template = TEMPLATES[family][self.rng.integers(len(TEMPLATES[family]))]
        wanting = [name for name, kind, _, grad in self.program.forms if grad]
        A = (
            self.pick("float")
            if self.rng.random() < 0.3
            else wanting[self.rng.integers(len(wanting))]
        )
        filled = {"X": self.pick("float"), "Y": self.pick("float"), "I": self.pick("int"),
                  "M": self.pick("bool"), "A": A, "D": str(self.rng.integers(-1, 2))}  # fmt: skip
        return family, "".join(_filled(template, filled))

    def propose(self) -> None:
        family, line = self.line()
        if family in (INPLACE, STATEMENT):
            if self.runs(line):
                self.program.lines.append(line)
            return
        name = f"v{len(self.program.lines)}"
        line = f"{name} = {line}"
        if self.runs(line) and (kind := _kind(self.space[name])):
            self.program.lines.append(line)
            self.kinds[kind].append(name)
            self.program.narrow |= self.space[name].dtype == rl.float32

    def runs(self, line: str) -> bool:
        try:
            exec(line, self.space)
        except Exception:
            return False
        return True

    def train(self) -> None:
        """The end of a training step, where it works."""
        before = "opt.zero_grad(); " if self.rng.random() < 0.7 else ""
        clip = (
            "nn.utils.clip_grad_norm_(net.parameters(), 0.5); " if self.rng.random() < 0.4 else ""
        )
        x = self.pick("float")
        line = f"{before}({x}.sum() + net(x0).square().mean()).backward(); {clip}opt.step()"
        if self.runs(line):
            self.program.lines.append(line)

    def finish(self) -> Program:
        made = [name for names in self.kinds.values() for name in names if name[0] == "v"]
        self.rng.shuffle(made)
        self.program.returned = "(" + "".join(f"{name}, " for name in made[:4]) + "held.sum())"
        return self.program


def _filled(template: str, names: dict[str, str]) -> list[str]:
    """Single capital letters replaced where they stand alone."""
    padded = f" {template} "
    return [
        names[c] if c in names and not (padded[k].isalnum() or padded[k + 2].isalnum() or
                                        padded[k] in "._" or padded[k + 2] == "_") else c
        for k, c in enumerate(template)
    ]  # fmt: skip


def _kind(x: Any) -> str | None:
    """What kind of variable a value is; None for values that a program had better not have."""
    if not isinstance(x, rl.Tensor) or not 0 < x.numel() <= LARGEST or x.dim() > 4:
        return None
    y = x.detach()
    if x.dtype == rl.bool:
        return "bool"
    if x.is_floating_point():
        return "float" if y.isfinite().all() and y.abs().max() < BOUND else None
    return "int" if x.dtype == rl.int64 and y.abs().max() < BOUND else None


def program(seed: int) -> Program:
    """The program of a seed."""
    writer = Writer(seed, ("float64", "float32")[seed % 3 == 2])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        wanted = writer.rng.integers(4, 14)
        for _ in range(60):
            if len(writer.program.lines) >= wanted:
                break
            writer.propose()
        if writer.rng.random() < 0.3:
            writer.train()
    return writer.finish()


def play(program: Program, t: Any, wrap: Callable[[Any], Any], noise: float = 0.0) -> list[Any]:
    """Everything that can be seen of several calls: arrays and plain values, in one list."""
    space: dict[str, Any] = {}
    exec(compile(program.text(), f"<program {program.seed}>", "exec"), space)
    t.manual_seed(program.seed)
    step, (held, net, opt) = space["build"](t)
    step, seen = wrap(step), []
    for call in range(CALLS):
        arguments = program.arguments(t, call, noise)
        results = step(*arguments)
        for x in (*results, *arguments):
            seen += [x.requires_grad, x.detach().numpy().copy()]
        grads = [x.grad for x in (*arguments, *net.parameters())]
        seen += [None if g is None else g.detach().numpy().copy() for g in grads]
    states = opt.state_dict()["state"]
    kept = [held, *net.state_dict().values(), *(v for s in states.values() for v in s.values())]
    seen += [x.detach().numpy().copy() if hasattr(x, "detach") else x for x in kept]
    return [*seen, t.rand(3).numpy()]


def difference(found: list[Any], wanted: list[Any], moved: list[Any], near: float) -> str:
    """Where two runs part, as a sentence; `moved` is a run on moved inputs, for the tolerance."""
    if len(found) != len(wanted):
        return f"{len(found)} things seen, not {len(wanted)}"
    for place, (a, b, c) in enumerate(zip(found, wanted, moved)):
        if not isinstance(b, np.ndarray):
            if type(a) is not type(b) or a != b:
                return f"place {place}: {a!r}, not {b!r}"
            continue
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"place {place}: {a.dtype}{a.shape}, not {b.dtype}{b.shape}"
        if b.dtype.kind != "f":
            same = np.array_equal(a, b)
        else:
            slack = near * (1 + np.abs(b).max(initial=0)) + 300 * np.abs(b - c).max(initial=0)
            same = np.allclose(a, b, 0, slack)
        if not same:
            return f"place {place}: {a.ravel()[:6]}, not {b.ravel()[:6]}"
    return ""


def steady(wanted: list[Any], moved: list[Any]) -> bool:
    """Whether values are finite and follow a small move of the inputs by little."""
    for a, b in zip(wanted, moved):
        if not isinstance(a, np.ndarray):
            continue
        if a.dtype.kind != "f":
            if not np.array_equal(a, b):
                return False
        elif not (np.isfinite(a).all() and np.isfinite(b).all()) or np.abs(a - b).max(
            initial=0
        ) > 1e-4 * (1 + np.abs(a).max(initial=0)):
            return False
    return True


def measured(seed: int) -> tuple[Program, list[Any], list[Any], float] | None:
    """A program with its eager run, a moved run and the tolerance; None for a shaky program."""
    made = program(seed)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            wanted = play(made, rl, lambda step: step)
            moved = play(made, rl, lambda step: step, 1e-7 if made.narrow else 1e-12)
        except (RuntimeError, IndexError):  # with the inputs of a later call
            return None
    near = 2e-5 if made.narrow else 1e-10
    return (made, wanted, moved, near) if steady(wanted, moved) else None
