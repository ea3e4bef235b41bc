"""`GradScaler`: a loss made large, so that small gradients survive a small data type."""

from __future__ import annotations

import warnings
from collections import defaultdict
from enum import Enum
from typing import Any

import rushlight as rl

from ..core.errors import fail
from ..core.state import STATE

__all__ = ["GradScaler", "OptState"]


class OptState(Enum):
    """How far a step has come since the last `update`.

    >>> from rushlight.amp.grad_scaler import OptState
    >>> [state.name for state in OptState]
    ['READY', 'UNSCALED', 'STEPPED']
    """

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _nothing_yet() -> dict[str, Any]:
    return {"stage": OptState.READY, "found_inf_per_device": {}}


def _here(gradient: Any, meshes: set[Any]) -> Any:
    """A gradient, or this process's part of it; the mesh it lies on is noted."""
    if not hasattr(gradient, "to_local"):
        return gradient
    meshes.add(gradient.device_mesh)
    return gradient.to_local()


def _agreed(bad: Any, meshes: set[Any]) -> Any:
    """Whether one of the processes that share gradients has found something."""
    distributed: Any = rl.distributed if meshes else None
    for mesh in meshes:
        for group in mesh.get_all_groups():
            distributed.all_reduce(bad, distributed.ReduceOp.MAX, group)
    return bad


def _skips(found: list[rl.Tensor]) -> bool:
    """Whether a step is to be left out; compiled programs ask it of the gradients of every call.

    A program is made of a step that is taken; a call that skips one runs eagerly.
    """
    if STATE.tracer is None:
        return any(one.item() for one in found)
    holds = STATE.tracer.holds
    return not all(holds((one == 0)._array, "a step that is skipped") for one in found)


class GradScaler:
    """Multiplies the loss, divides the gradients, skips steps with inf or nan, and adapts.

    `scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update()`. `growth_interval` good
    steps multiply the factor by `growth_factor`, a bad one by `backoff_factor`.
    device: "cpu"; for "cuda", which is not here, it warns and does nothing.
    Raises: AssertionError for factors on the wrong side of 1; RuntimeError for calls out of order.
    Source: https://docs.pytorch.org/docs/stable/amp.html#gradient-scaling

    >>> import rushlight as torch
    >>> weight = torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.SGD([weight], lr=0.5)
    >>> scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    >>> scaler.scale(weight.sum()).backward()
    >>> weight.grad
    tensor([8.])
    >>> _ = scaler.step(optimizer); scaler.update()
    >>> weight.item()
    0.5
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        self._enabled = enabled
        if enabled and device == "cuda":
            warnings.warn(
                "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.",
                UserWarning,
                stacklevel=2,
            )
            self._enabled = False
        if self._enabled:
            assert growth_factor > 1.0, "The growth factor must be > 1.0."
            assert backoff_factor < 1.0, "The backoff factor must be < 1.0."
        self._init_scale = init_scale
        self._scale: rl.Tensor | None = None
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._init_growth_tracker = 0
        self._growth_tracker: rl.Tensor | None = None  # good steps since the factor changed
        # optimizer -> how far it is, and whether its gradients have inf or nan, as 0.0 or 1.0
        self._per_optimizer_states: dict[int, dict[str, Any]] = defaultdict(_nothing_yet)

    def _factor(self) -> rl.Tensor:
        if self._scale is None:
            self._scale = rl.tensor(float(self._init_scale))
            self._growth_tracker = rl.tensor(self._init_growth_tracker, dtype=rl.int32)
        return self._scale

    def scale(self, outputs: Any) -> Any:
        """A tensor, or tensors in lists and tuples, times the factor."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, rl.Tensor):
            return outputs * self._factor().to(outputs.dtype)
        if isinstance(outputs, (list, tuple)):
            parts = [self.scale(one) for one in outputs]
            return type(outputs)(*parts) if hasattr(outputs, "_fields") else type(outputs)(parts)
        if hasattr(outputs, "__iter__"):
            return map(self.scale, outputs)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer: Any) -> None:
        """Divide the optimizer's gradients now, to clip or look at them before `step`."""
        if not self._enabled:
            return
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.UNSCALED:
            raise fail(
                RuntimeError,
                "unscale_() has already been called on this optimizer since the last update().",
                "call update() once at the end of each step",
            )
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        if self._scale is None:
            raise RuntimeError("Attempted unscale_ but _scale is None.  ")
        bad, meshes = rl.zeros((), dtype=rl.bool), set()
        with rl.no_grad():
            inverse = self._scale.double().reciprocal().float()
            for group in optimizer.param_groups:
                for weight in group["params"]:
                    if weight.grad is None:
                        continue
                    if weight.grad.dtype is rl.float16:
                        raise ValueError("Attempting to unscale FP16 gradients.")
                    here = _here(weight.grad, meshes)
                    bad = bad | ~rl.isfinite(here).all()
                    weight.grad.mul_(inverse)
        state["found_inf_per_device"] = {self._scale.device: _agreed(bad.float(), meshes)}
        state["stage"] = OptState.UNSCALED

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step(*args, **kwargs)`, unless a gradient is inf or nan."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if state["stage"] is OptState.READY:
            self.unscale_(optimizer)
        state["stage"] = OptState.STEPPED
        if _skips(list(state["found_inf_per_device"].values())):
            return None
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: float | rl.Tensor | None = None) -> None:
        """Adapt the factor to what the last steps found, or set it."""
        if not self._enabled:
            return
        if self._scale is None:
            raise RuntimeError("Attempted update but _scale is None.  ")
        if new_scale is not None:
            self._scale.fill_(new_scale)
        else:
            states = self._per_optimizer_states.values()
            found = [one for state in states for one in state["found_inf_per_device"].values()]
            assert found, "No inf checks were recorded prior to update."
            self._adapt(self._scale, self._growth_tracker, rl.stack(found).any())
        self._per_optimizer_states.clear()

    @rl.no_grad()
    def _adapt(self, scale: rl.Tensor, tracker: Any, bad: rl.Tensor) -> None:
        """Less after a bad step, more after so many good ones: without asking for a value."""
        grown, steps = scale * self._growth_factor, tracker + 1
        full = steps == self._growth_interval
        good = rl.where(full & rl.isfinite(grown), grown, scale)
        scale.copy_(rl.where(bad, scale * self._backoff_factor, good))
        tracker.copy_(rl.where(bad | full, 0, steps))

    def get_scale(self) -> float:
        """The factor; 1.0 if not enabled."""
        if not self._enabled:
            return 1.0
        return float(self._init_scale) if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        """What the factor grows by."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what the factor grows by."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What a bad step multiplies the factor by."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what a bad step multiplies the factor by."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many good steps the factor grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set after how many good steps the factor grows."""
        self._growth_interval = new_interval

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        tracker = self._growth_tracker
        return self._init_growth_tracker if tracker is None else int(tracker.item())

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs; empty if not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over another scaler's state; RuntimeError if it is empty."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved "
                "from a disabled instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        if self._scale is not None:
            self._scale.fill_(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        if self._growth_tracker is not None:
            self._growth_tracker.fill_(state_dict["_growth_tracker"])
