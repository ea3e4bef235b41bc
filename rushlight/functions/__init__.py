"""The functions of the `torch` namespace, one module per family."""

from .assembly import *
from .combining import *
from .compilation import *
from .complex_parts import *
from .creation import *
from .diagonals import *
from .drawing import *
from .einsum import *
from .indexing import *
from .masking import *
from .neural import *
from .matrices import *
from .placing import *
from .pointwise import *
from .predicates import *
from .products import *
from .protocol import *
from .reduction import *
from .scattering import *
from .settings import *
from .splitting import *
from .structure import *
from .threads import *
