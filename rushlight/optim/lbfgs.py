"""L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

from .checks import check_lr
from .elementwise import number
from .line_search import Point, WolfeSearch, cubic_minimum
from .optimizer import Optimizer


class LBFGS(Optimizer):
    """Limited-memory BFGS; `step(closure)` evaluates the model several times.

    Arguments: `params`, one group only; `lr`; `max_iter` inner iterations and `max_eval`
    evaluations (default 1.25 max_iter) per step; `tolerance_grad`, `tolerance_change`, where to
    stop; `history_size`; `line_search_fn`, None or "strong_wolfe".
    Raises ValueError for several groups, RuntimeError for another line search.
    Source: Nocedal & Wright, Numerical Optimization, algorithm 7.4.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.LBFGS([w], lr=0.5)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - 3) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> _ = optimizer.step(closure)
    >>> w.data.round()
    tensor([3.])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list:
        return self.param_groups[0]["params"]

    @staticmethod
    def _real(tensor):
        return rl.view_as_real(tensor) if tensor.is_complex() else tensor

    def _flat_grad(self):
        """All gradients in one vector; parameters without one count as zero."""
        return rl.cat(
            [
                self._real(rl.zeros_like(p) if p.grad is None else p.grad).reshape(-1)
                for p in self._params
            ]
        )

    def _move(self, t: Any, direction: Any) -> None:
        offset = 0
        for param in map(self._real, self._params):
            size = param.numel()
            param.add_(direction[offset : offset + size].view_as(param), alpha=number(t))
            offset += size

    @rl.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:
        """Minimise the closure's value for up to `max_iter` iterations; returns its first value.

        `closure` clears the gradients, evaluates the model, goes backward and returns the loss.

        >>> import rushlight as torch
        >>> w = torch.zeros(1, requires_grad=True)
        >>> optimizer = torch.optim.LBFGS([w])
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = ((w - 3) ** 2).sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure).item(), round(w.item(), 2)
        (9.0, 3.0)
        """
        closure = rl.enable_grad()(closure)
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        state["func_evals"] += 1
        run = _Run(self, closure, state, float(first_loss))
        run.grad = self._flat_grad()
        if not run.converged():
            run.iterate()
            run.save()
        return first_loss


class _Run:
    """One call of `step`: the quantities torch keeps in the state, as attributes."""

    KEPT = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")

    def __init__(self, optimizer: LBFGS, closure: Callable, state: dict, loss: float) -> None:
        self.optimizer = optimizer
        self.closure = closure
        self.state = state
        self.group = optimizer.param_groups[0]
        self.loss = loss
        self.evaluations = 1
        self.grad: Any = None
        for name in self.KEPT:
            setattr(self, name, state.get(name))

    def save(self) -> None:
        self.state.update({name: getattr(self, name) for name in self.KEPT})

    def converged(self) -> bool:
        return bool(self.grad.abs().max() <= self.group["tolerance_grad"])

    def iterate(self) -> None:
        """Search direction, step length, move, until a limit or a tolerance is met."""
        group, state = self.group, self.state
        least_change = group["tolerance_change"]
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            self._choose_direction()
            if self.prev_flat_grad is None:
                self.prev_flat_grad = self.grad.clone()
            else:
                self.prev_flat_grad.copy_(self.grad)
            self.prev_loss = self.loss
            self.t = number(group["lr"])
            if state["n_iter"] == 1:
                self.t = min(1.0, 1.0 / self.grad.abs().sum()) * self.t
            slope = self.grad.dot(self.d)
            if slope > -least_change:
                return
            last = iteration == group["max_iter"]
            done = self._advance(slope, last)
            if last or self.evaluations >= group["max_eval"] or done:
                return
            if self.d.mul(self.t).abs().max() <= least_change:
                return
            if abs(self.loss - self.prev_loss) < least_change:
                return

    def _choose_direction(self) -> None:
        """d = -H g by the two-loop recursion over the remembered steps."""
        if self.state["n_iter"] == 1:
            self.d, self.H_diag = self.grad.neg(), 1
            self.old_dirs, self.old_stps, self.ro = [], [], []
            return
        self._remember()
        pairs = list(zip(self.old_dirs, self.old_stps, self.ro))
        weights = self.state.setdefault("al", [None] * self.group["history_size"])
        rest = self.grad.neg()
        for index in range(len(pairs) - 1, -1, -1):
            change, step, inverse = pairs[index]
            weights[index] = step.dot(rest) * inverse
            rest.add_(change, alpha=-number(weights[index]))
        self.d = rest.mul(self.H_diag)
        for index, (change, step, inverse) in enumerate(pairs):
            back = change.dot(self.d) * inverse
            self.d.add_(step, alpha=number(weights[index] - back))

    def _remember(self) -> None:
        """Keep the last change of gradient and step, if the curvature is positive."""
        change, step = self.grad.sub(self.prev_flat_grad), self.d.mul(self.t)
        curvature = change.dot(step)
        if not curvature > 1e-10:
            return
        if len(self.old_dirs) == self.group["history_size"]:
            for history in (self.old_dirs, self.old_stps, self.ro):
                history.pop(0)
        self.old_dirs.append(change)
        self.old_stps.append(step)
        self.ro.append(1.0 / curvature)
        self.H_diag = curvature / change.dot(change)

    def _advance(self, slope: Any, last: bool) -> bool:
        """Move along the direction; whether the gradient there is small enough to stop."""
        search = self.group["line_search_fn"]
        if search is None:
            self.optimizer._move(self.t, self.d)
            if last:
                return False
            self.loss = float(self.closure())
            self.grad = self.optimizer._flat_grad()
            self._count(1)
            return self.converged()
        if search != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        start = Point(0, self.loss, self.grad.clone(), slope)
        limit = self.group["max_eval"] - self.evaluations
        wolfe = WolfeSearch(self._probe(), self.d, start, limit)
        point = wolfe.run(self.t)
        self.loss, self.grad, self.t = point.value, point.grad, point.t
        self.optimizer._move(self.t, self.d)
        self._count(wolfe.evaluations)
        return self.converged()

    def _count(self, evaluations: int) -> None:
        self.evaluations += evaluations
        self.state["func_evals"] += evaluations

    def _probe(self) -> Callable:
        """A function that evaluates at a step length and puts the parameters back."""
        params = self.optimizer._params
        origin = [param.clone() for param in params]

        def evaluate(t: Any) -> tuple[float, Any]:
            self.optimizer._move(t, self.d)
            loss = float(self.closure())
            grad = self.optimizer._flat_grad()
            for param, value in zip(params, origin):
                param.copy_(value)
            return loss, grad

        return evaluate


def _strong_wolfe(
    obj_func: Callable[..., Any], x: Any, t: Any, d: Any, f: float, g: Any, gtd: Any,
    c1: float = 1e-4, c2: float = 0.9, tolerance_change: float = 1e-9, max_ls: int = 25,
) -> tuple[float, Any, Any, int]:  # fmt: skip
    """torch's form of the line search: value, gradient, step length and number of evaluations.

    `obj_func(x, t, d)` returns value and gradient at x + t d; `gtd` is the slope at x.
    """
    start = Point(0, f, g.clone(), gtd)
    search = WolfeSearch(lambda t: obj_func(x, t, d), d, start, max_ls, tolerance_change, (c1, c2))
    point = search.run(t)
    return point.value, point.grad, point.t, search.evaluations


def _cubic_interpolate(
    x1: Any, f1: Any, g1: Any, x2: Any, f2: Any, g2: Any, bounds: tuple | None = None
) -> Any:
    """torch's form of the step in it: where the cubic through two values and slopes is least.

    >>> import rushlight as torch
    >>> slopes = torch.tensor([-2.0, 2.0])  # of (x - 1)^2
    >>> _cubic_interpolate(0.0, 1.0, slopes[0], 2.0, 1.0, slopes[1])
    tensor(1.)
    """
    return cubic_minimum(Point(x1, f1, None, g1), Point(x2, f2, None, g2), bounds)
