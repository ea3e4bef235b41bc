"""rushlight: deep learning with PyTorch's interface, on NumPy.

This module holds torch's names and loads the rest when it is asked for. `core` is the mechanism,
`ops` the declarations, `autograd` and `compile` read these; `functions`, `nn`, `optim` and the
others are what programs call. docs/house.md says how it goes together.
"""

import importlib as _importlib
import warnings as _warnings
from typing import TYPE_CHECKING

_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"rushlight\.")

from math import e, inf, nan, pi

from . import autograd, functions, methods
from .autograd.modes import (
    enable_grad,
    inference_mode,
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_anomaly_enabled,
    set_grad_enabled,
)
from .core.dispatch import result_type
from .core.dtypes import (
    bfloat16,
    can_cast,
    channels_last,
    channels_last_3d,
    complex32,
    complex64,
    complex128,
    contiguous_format,
    device,
    dtype,
    float8_e4m3fn,
    float8_e4m3fnuz,
    float8_e5m2,
    float8_e5m2fnuz,
    float8_e8m0fnu,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    jagged,
    layout,
    memory_format,
    preserve_format,
    promote_types,
    sparse_bsc,
    sparse_bsr,
    sparse_coo,
    sparse_csc,
    sparse_csr,
    strided,
    uint8,
    uint16,
    uint32,
    uint64,
)
from .core.dtypes import bool_ as bool
from .core.limits import finfo, iinfo
from .core.printing import set_printoptions
from .core.shapes import Size
from .core.tensor import Tensor
from .functions.compilation import compile
from .functions.eager_kernels import eager_kernels

half = float16
float = float32
double = float64
short = int16
int = int32
long = int64
chalf = complex32
cfloat = complex64
cdouble = complex128
newaxis = None

from . import utils, version
from .contents import SHARED as _SHARED
from .core.arrivals import when_imported as _when_imported
from .core.gates import about_to_speak as _about_to_speak
from .core.gates import publish as _publish
from .core.names import explain_missing as _explain_missing
from .core.names import lazy_names as _lazy_names
from .core.state import get_default_dtype, set_default_dtype
from .functions.examples import attach as _attach_example
from .version import OF_PACKAGE as __version__

if TYPE_CHECKING:  # loaded when first asked for, as the tables below say
    from . import (
        backends,
        cuda,
        distributed,
        fft,
        jit,
        linalg,
        masked,
        nn,
        optim,
        random,
        serialization,
        serialize,
        signal,
        sparse,
        special,
    )
    from .autograd.vmap import vmap
    from .functions import *
    from .functions.gamma_draws import *
    from .functions.predicates import _assert
    from .nn.functional.shared import *
    from .serialize import load, save

# Loaded on use: a program pays for what it needs. The last table is too rare for `import *`.
_USUAL = {
    **functions.LAZY,
    **_lazy_names("rushlight.nn.functional", _SHARED),
    **{
        name: (f"rushlight.{name}", None)
        for name in (
            "backends cuda fft jit linalg masked nn optim random serialization serialize signal"
            " special sparse"
        ).split()
    },
    "load": ("rushlight.serialize", "load"),
    "save": ("rushlight.serialize", "save"),
    "vmap": ("rushlight.autograd.vmap", "vmap"),
}
# For `import *` alone: readers of the source see all names above.
globals()["__all__"] = [*(name for name in globals() if not name.startswith("_")), *_USUAL]
_LAZY = {
    **_USUAL,
    "amp": ("rushlight.amp", None),
    "nested": ("rushlight.nested", None),
    "accelerator": ("rushlight.accelerator", None),
    "Stream": ("rushlight.accelerator", "Stream"),
    "Event": ("rushlight.accelerator", "Event"),
    "AcceleratorError": ("rushlight.accelerator", "AcceleratorError"),
    "to_dlpack": ("rushlight.utils.dlpack", "to_dlpack"),
    "get_device_module": ("rushlight.accelerator", "get_device_module"),
    "checkpoint": ("rushlight.distributed.checkpoint", None),
    "cpu": ("rushlight.cpu", None),
    "mps": ("rushlight.mps", None),
    "xpu": ("rushlight.xpu", None),
    "array_api": ("rushlight.array_api", None),
    "compat": ("rushlight.compat", None),
    "compiler": ("rushlight.compiler", None),
    "_dynamo": ("rushlight._dynamo", None),
    "_inductor": ("rushlight._inductor", None),
    "distributions": ("rushlight.distributions", None),
    "distributed": ("rushlight.distributed", None),
    "__config__": ("rushlight.__config__", None),
    "func": ("rushlight.func", None),
    "functional": ("rushlight.functional", None),
    "futures": ("rushlight.futures", None),
    "Future": ("rushlight.futures", "Future"),
    "multiprocessing": ("rushlight.multiprocessing", None),
    "monitor": ("rushlight.monitor", None),
    "_C": ("rushlight._C", None),
    "fx": ("rushlight.fx", None),
    "hub": ("rushlight.hub", None),
    "__future__": ("rushlight.__future__", None),
    "_logging": ("rushlight._logging", None),
    "export": ("rushlight.export", None),
    "quasirandom": ("rushlight.quasirandom", None),
    "onnx": ("rushlight.onnx", None),
    "_tensor_str": ("rushlight._tensor_str", None),
    "_ops": ("rushlight._ops", None),
    "library": ("rushlight.library", None),
    "overrides": ("rushlight.overrides", None),
    "storage": ("rushlight.storage", None),
    "_functorch": ("rushlight._functorch", None),
    "_guards": ("rushlight._guards", None),
    "_vmap_internals": ("rushlight._vmap_internals", None),
    "functorch": ("rushlight.functorch", None),
    "torch_version": ("rushlight.torch_version", None),
    "install_as_torch": ("rushlight.compat", "install"),
    "vision": ("rushlight.vision", None),
    "sym": ("rushlight.sym", None),
    "testing": ("rushlight.testing", None),
    "torch": ("rushlight", None),
    "types": ("rushlight.types", None),
    **{name: ("rushlight.types", name) for name in ("SymBool", "SymFloat", "SymInt")},
    **{
        f"sym_{name}": ("rushlight.types", f"sym_{name}")
        for name in "int float max min not sqrt sum ite".split()
    },
    "ScriptModule": ("rushlight.jit", "ScriptModule"),
    "TensorType": ("rushlight.jit.annotations", "TensorType"),
    "DeviceObjType": ("rushlight.jit.annotations", "DeviceObjType"),
    "PyTorchFileReader": ("rushlight.serialize.file_reader", "PyTorchFileReader"),
    "_subclasses": ("rushlight._subclasses", None),
    "return_types": ("rushlight.return_types", None),
    "_utils": ("rushlight._utils", None),
    "_VF": ("rushlight._VF", None),
    "_jit_internal": ("rushlight._jit_internal", None),
    "_lobpcg": ("rushlight._lobpcg", None),
    "lobpcg": ("rushlight._lobpcg", "lobpcg"),
    "thread_safe_generator": ("rushlight.random", "thread_safe_generator"),
    "dequantize": ("rushlight.functions.seldom", "dequantize"),
    "viz": ("rushlight.viz", None),
    "debug": ("rushlight.autograd.debugging", "debug"),
    "explain": ("rushlight.autograd.explain", "explain"),
    "graph_picture": ("rushlight.autograd.picture", "graph_picture"),
    "kept_for_backward": ("rushlight.autograd.cost", "kept_for_backward"),
    "memory_profile": ("rushlight.autograd.profile", "memory_profile"),
    "traces": ("rushlight.autograd.traces", "traces"),
    "profile": ("rushlight.profiler", "profile"),
    "profiler": ("rushlight.profiler", None),
    "record_lines": ("rushlight.autograd.places", "record_lines"),
}
for _name in ("_convert_indices_from_coo_to_csr", "_convert_indices_from_csr_to_coo"):
    _LAZY[_name] = ("rushlight.functions.sparse", _name)
for _name in "qint8 qint32 quint8 quint4x2 quint2x4".split():
    _LAZY[_name] = ("rushlight.core.dtypes", _name)
_LAZY["_assert"] = ("rushlight.functions.predicates", "_assert")
for _name in ("_assert_async", "_assert_tensor_metadata"):
    _LAZY[_name] = ("rushlight.functions.predicates", _name)
for _name in (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg"
    " reciprocal round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc add sub mul div clamp_min"
    " clamp_max maximum minimum pow addcmul addcdiv lerp copy zero clone norm max mm powsum"
).split():
    if _name not in ("copy", "zero"):
        _LAZY[f"_foreach_{_name}"] = ("rushlight.functions.foreach", f"_foreach_{_name}")
    if _name not in ("clone", "norm", "max", "mm", "powsum"):
        _LAZY[f"_foreach_{_name}_"] = ("rushlight.functions.foreach", f"_foreach_{_name}_")
for _name in "_dirichlet_grad _sample_dirichlet _standard_gamma _standard_gamma_grad".split():
    _LAZY[_name] = ("rushlight.functions.gamma_draws", _name)
for _name in (
    "autocast is_autocast_enabled is_autocast_cpu_enabled is_autocast_cache_enabled"
    " get_autocast_dtype get_autocast_cpu_dtype clear_autocast_cache autocast_increment_nesting"
    " autocast_decrement_nesting set_autocast_enabled set_autocast_dtype set_autocast_cpu_enabled"
    " set_autocast_cpu_dtype set_autocast_gpu_dtype get_autocast_gpu_dtype"
    " set_autocast_cache_enabled GradScaler"
).split():
    _LAZY[_name] = ("rushlight.amp", _name)


def _public(name, found):
    """A name that was asked for, as users have it."""
    _attach_example(name, found)
    _about_to_speak()
    return _publish(found, "rushlight", name) if _LAZY[name][0].startswith(_OURS) else found


_OURS = ("rushlight.functions.", "rushlight.nn.functional.", "rushlight.ops.")
_explain_missing(__name__, _LAZY, _public)
_explain_missing(
    utils.__name__,
    {
        "_contextlib": ("rushlight.utils._contextlib", None),
        "_device": ("rushlight.utils._device", None),
        "_foreach_utils": ("rushlight.utils._foreach_utils", None),
        "_mode_utils": ("rushlight.utils._mode_utils", None),
        "model_zoo": ("rushlight.utils.model_zoo", None),
        "weak": ("rushlight.utils.weak", None),
        "_python_dispatch": ("rushlight.utils._python_dispatch", None),
        "_pytree": ("rushlight.utils._pytree", None),
        "benchmark": ("rushlight.utils.benchmark", None),
        "data": ("rushlight.utils.data", None),
        "deterministic": ("rushlight.utils.deterministic", None),
        "dlpack": ("rushlight.utils.dlpack", None),
        "flop_counter": ("rushlight.utils.flop_counter", None),
        "hooks": ("rushlight.utils.hooks", None),
        "module_tracker": ("rushlight.utils.module_tracker", None),
        "swap_tensors": ("rushlight.utils.swapping", "swap_tensors"),
        "checkpoint": ("rushlight.utils.checkpoint", None),
        "collect_env": ("rushlight.utils.collect_env", None),
        "cpp_extension": ("rushlight.utils.cpp_extension", None),
        "set_module": ("rushlight.utils.naming", "set_module"),
    },
)
_explain_missing("rushlight.ops", {"aten": ("rushlight._ops", "aten")})
_when_imported(
    "einops._backends",
    lambda: _importlib.import_module("rushlight.compat.einops_backend").register(),
)
_when_imported(
    "opt_einsum.backends.dispatch",
    lambda: _importlib.import_module("rushlight.compat.opt_einsum_backend").register(),
)
