"""torch._logging: which of the compiler's messages go to stderr, by torch's names for its parts."""

from __future__ import annotations

import logging
import os
from typing import Any

__all__ = ["set_logs"]

# Torch's components, and our logger that says what they would. What nobody here has is taken.
_COMPONENTS = {
    "all": "rushlight", "torch": "rushlight",
    **dict.fromkeys("dynamo aot dynamic inductor export".split(), "rushlight.compile"),
    **dict.fromkeys("autograd distributed c10d ddp fsdp dtensor onnx".split(), None),
}  # fmt: skip
# Torch's kinds of messages, and from which level on ours say such things.
_SPOKEN = {
    **dict.fromkeys("recompiles recompiles_verbose graph_sizes caching".split(), logging.INFO),
    **dict.fromkeys("graph_breaks output_code kernel_code guards".split(), logging.DEBUG),
}
_UNSPOKEN = frozenset(
    """
aot_graphs aot_joint_graph autotuning benchmarking bytecode compiled_autograd
compiled_autograd_verbose compute_dependencies cudagraph_static_inputs cudagraphs ddp_graphs fusion
graph graph_code graph_code_verbose graph_region_expansion hierarchical_compile incremental
inductor_metrics ir_post_fusion ir_pre_fusion onnx_diagnostics overlap perf_hints post_grad_graphs
pre_grad_graphs schedule side_effects sym_node trace_bytecode trace_call trace_source
""".split()
)
_handlers: dict[str, logging.Handler] = {}


def set_logs(*, modules: dict[str, int | bool] | None = None, **chosen: Any) -> None:
    """Set the levels of components (`dynamo=logging.INFO`), switch on messages (`recompiles=True`).

    Each call begins anew; without arguments nothing is logged. The compiler's messages go to
    stderr: `dynamo`, `aot`, `dynamic`, `inductor` and `export` are one component here. `all` is
    everything; `modules` maps names of loggers to levels. Kinds of messages that only torch has are
    taken and nothing comes of them. TORCH_LOGS in the environment goes before this function.
    Raises: ValueError for a level or kind that is none, TypeError for a name that torch has not.

    >>> import logging
    >>> import rushlight as torch
    >>> torch._logging.set_logs(dynamo=logging.INFO, recompiles=True)
    >>> logging.getLogger("rushlight.compile").level == logging.INFO
    True
    >>> torch._logging.set_logs()
    """
    for name in chosen:
        if name not in _COMPONENTS and name not in _SPOKEN and name not in _UNSPOKEN:
            raise TypeError(f"set_logs() got an unexpected keyword argument '{name}'")
    levels: dict[str, int] = {}
    for name, value in {**chosen, **(modules or {})}.items():
        logger, level = _meant(name, value)
        if logger is not None and level is not None:
            levels[logger] = min(level, levels.get(logger, level))
    if os.environ.get("TORCH_LOGS"):
        logging.getLogger("rushlight").warning(
            "Using TORCH_LOGS environment variable for log settings, ignoring call to set_logs"
        )
        return
    _quiet()
    for name, level in levels.items():
        logger = logging.getLogger(name)
        handler = _handlers[name] = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)
        logger.setLevel(level)


def _meant(name: str, value: Any) -> tuple[str | None, int | None]:
    """The logger that an argument is about, and its level; None for neither."""
    if value is None:
        return None, None
    if name in _SPOKEN or name in _UNSPOKEN:
        if not isinstance(value, bool):
            raise ValueError(f"Expected bool to enable artifact {name}, received {value}")
        return ("rushlight.compile", _SPOKEN[name]) if value and name in _SPOKEN else (None, None)
    if value not in logging.getLevelNamesMapping().values():
        known = ",".join(str(level) for level in sorted({*logging.getLevelNamesMapping().values()}))
        raise ValueError(
            f"Unrecognized log level for log {name}: {value}, valid level values are: {known}"
        )
    if name in _COMPONENTS:
        return _COMPONENTS[name], value
    return name.replace("torch", "rushlight", 1) if name.startswith("torch") else name, value


def _quiet() -> None:
    """Undo what the call before did."""
    for name, handler in _handlers.items():
        logger = logging.getLogger(name)
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    _handlers.clear()
