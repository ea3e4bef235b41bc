"""The functions of the `torch` namespace, one module per family.

A family loads when one of its names is asked for, as the tables in `contents.py` say.
"""

from typing import TYPE_CHECKING

from ..contents import FUNCTIONS as _FUNCTIONS
from ..core.names import explain_missing as _explain_missing
from ..core.names import lazy_names as _lazy_names
from .eager_kernels import *
from .examples import attach as _attach

if TYPE_CHECKING:
    from .arithmetic import *
    from .assembly import *
    from .checks import *
    from .combining import *
    from .compilation import *
    from .complex_parts import *
    from .compressed import *
    from .control import *
    from .copies import *
    from .counting import *
    from .creation import *
    from .diagonals import *
    from .differences import *
    from .drawing import *
    from .einsum import *
    from .foreign import *
    from .from_data import *
    from .histograms import *
    from .in_place_names import *
    from .indexing import *
    from .joining import *
    from .low_rank import *
    from .masking import *
    from .matrices import *
    from .neural import *
    from .overwriting import *
    from .placing import *
    from .pointwise import *
    from .predicates import *
    from .products import *
    from .protocol import *
    from .quantization import *
    from .reduction import *
    from .scanning import *
    from .scattering import *
    from .segments import *
    from .settings import *
    from .sorting import *
    from .sparse import *
    from .special_functions import *
    from .spectrograms import *
    from .splitting import *
    from .statistics import *
    from .storage import *
    from .structure import *
    from .threads import *
    from .typed import *
    from .typed_storages import *
    from .windows import *

LAZY = _lazy_names(__name__, _FUNCTIONS)
_explain_missing(__name__, LAZY, _attach)
