"""torch._dynamo.config: settings of the tracer that scripts and libraries make.

`recompile_limit` (`cache_size_limit` too) is the number of programs that a function compiled from
then on may have. The others are kept and change nothing here: what cannot be one program runs
eagerly whatever they say.
Source: https://github.com/pytorch/pytorch/blob/main/torch/_dynamo/config.py
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from ..core.settings import Settings

_VALUES: dict[str, Any] = {
    "recompile_limit": 8, "cache_size_limit": 8, "accumulated_recompile_limit": 256,
    "accumulated_cache_size_limit": 256,
    **dict.fromkeys(
        """
        verbose suppress_errors disable capture_scalar_outputs capture_dynamic_output_shape_ops
        fail_on_recompile_limit_hit error_on_recompile specialize_int specialize_float
        allow_ignore_mark_dynamic prepare_freezing allow_rnn compiled_autograd
        only_allow_pt2_compliant_ops nested_graph_breaks caching_precompile
        force_unspec_int_unbacked_size_like_on_torchrec_kjt allow_unspec_int_on_nn_module
        do_not_emit_runtime_asserts prefer_deferred_runtime_asserts_over_guards
        use_numpy_random_stream
        """.split(),
        False,
    ),
    **dict.fromkeys(
        """
        dynamic_shapes assume_static_by_default automatic_dynamic_shapes guard_nn_modules
        force_parameter_static_shapes force_nn_module_property_static_shapes optimize_ddp
        inline_inbuilt_nn_modules report_guard_failures trace_numpy skip_fsdp_guards
        raise_on_ctx_manager_usage error_on_nested_jit_trace error_on_nested_fx_trace
        capture_autograd_function capture_func_transforms skip_nnmodule_hook_guards
        rewrite_assert_with_torch_assert
        """.split(),
        True,
    ),
    "automatic_dynamic_shapes_mark_as": "dynamic", "numpy_default_float": "float64",
    "numpy_default_complex": "complex128", "numpy_default_int": "int64", "log_file_name": None,
    "repro_after": None, "repro_level": 2, "repro_tolerance": 1e-3, "minimum_call_count": 1,
}  # fmt: skip


def _limit(value: int) -> None:
    """The limit under both of its names, and where compiled functions ask for it."""
    config._values.update(recompile_limit=value, cache_size_limit=value)
    api: Any = importlib.import_module("rushlight.compile.api")
    api.LIMIT = value


config = Settings(__name__, _VALUES, {"recompile_limit": _limit, "cache_size_limit": _limit})
vars(config).update(__doc__=__doc__, __spec__=__spec__, __file__=__file__, __package__=__package__)
sys.modules[__name__] = config
