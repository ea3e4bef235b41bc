"""Functions of networks, without state: `torch.nn.functional`."""

from ...core.gates import publish_all as _publish_all
from ...core.names import explain_missing as _explain_missing
from .activation import *
from .activation_in_place import *
from .attention import *
from .averaging import *
from .classification import *
from .convolution import *
from .distance import *
from .folding import *
from .grids import *
from .margins import *
from .noise import *
from .normalization import *
from .padding import *
from .pooling import *
from .products import *
from .regression import *
from .resampling import *
from .softmax import *
from .sparse import *
from .unpooling import *
from .windows import *

_publish_all(globals())
_explain_missing(
    __name__,
    {
        "grad": ("rushlight.nn.grad", None),
        "grouped_mm": ("rushlight.nn.functional.grouped", "grouped_mm"),
        **{
            name: ("rushlight._jit_internal", name)
            for name in ("boolean_dispatch", *(f"BroadcastingList{k}" for k in (1, 2, 3)))
        },
        **{
            name: ("rushlight.overrides", name)
            for name in (
                "handle_torch_function has_torch_function has_torch_function_unary"
                " has_torch_function_variadic"
            ).split()
        },
    },
)
