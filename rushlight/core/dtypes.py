"""Data types, their promotion, and the small value types beside them (device, layout, ...)."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .errors import fail


class dtype:
    """A tensor's element type; prints as torch's does (`torch.float32`).

    >>> import rushlight as torch
    >>> torch.float32.itemsize, torch.float32.is_floating_point
    (4, True)
    """

    __slots__ = ("_numpy", "category", "itemsize", "name", "rank")

    name: str
    category: int
    rank: int
    itemsize: int
    _numpy: np.dtype | None

    def __init__(self, name: str, numpy_name: Any, category: int, rank: int, itemsize: int) -> None:
        self.name, self.category, self.rank, self.itemsize = name, category, rank, itemsize
        self._numpy = np.dtype(numpy_name) if numpy_name is not None else None
        ALL[name] = self
        if self._numpy is not None:
            OF_NUMPY[self._numpy] = self

    @property
    def numpy(self) -> np.dtype:
        """The NumPy dtype that stores it; bfloat16, complex32, float8 load ml_dtypes when asked."""
        return self._numpy if self._numpy is not None else _load(self)

    @property
    def is_floating_point(self) -> bool:
        return self.category == FLOAT

    @property
    def is_complex(self) -> bool:
        return self.category == COMPLEX

    @property
    def is_signed(self) -> bool:
        if self.name.startswith(("u", "float8_e8")):
            return False
        return self.category >= INTEGER

    def to_real(self) -> dtype:
        """The type of the real part."""
        return {complex32: float16, complex64: float32, complex128: float64}.get(self, self)

    def to_complex(self) -> dtype:
        """The complex type whose parts have this type."""
        return _TO_COMPLEX.get(self, self)

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self):
        return named, (self.name,)


BOOL, INTEGER, FLOAT, COMPLEX = range(4)
ALL: dict[str, dtype] = {}
OF_NUMPY: dict[np.dtype, dtype] = {}

bool_ = dtype("bool", np.bool_, BOOL, 0, 1)
uint8 = dtype("uint8", np.uint8, INTEGER, 1, 1)
int8 = dtype("int8", np.int8, INTEGER, 1, 1)
int16 = dtype("int16", np.int16, INTEGER, 2, 2)
int32 = dtype("int32", np.int32, INTEGER, 3, 4)
int64 = dtype("int64", np.int64, INTEGER, 4, 8)
uint16 = dtype("uint16", np.uint16, INTEGER, 2, 2)
uint32 = dtype("uint32", np.uint32, INTEGER, 3, 4)
uint64 = dtype("uint64", np.uint64, INTEGER, 4, 8)
float16 = dtype("float16", np.float16, FLOAT, 1, 2)
bfloat16 = dtype("bfloat16", None, FLOAT, 1, 2)
float32 = dtype("float32", np.float32, FLOAT, 2, 4)
float64 = dtype("float64", np.float64, FLOAT, 3, 8)
complex32 = dtype("complex32", None, COMPLEX, 1, 4)
complex64 = dtype("complex64", np.complex64, COMPLEX, 2, 8)
complex128 = dtype("complex128", np.complex128, COMPLEX, 3, 16)
# Formats to store and exchange values in (rank 0): they are cast, copied and compared, and meet
# no other type. Source: https://arxiv.org/abs/2209.05433, the OCP's microscaling formats.
float8_e4m3fn = dtype("float8_e4m3fn", None, FLOAT, 0, 1)
float8_e5m2 = dtype("float8_e5m2", None, FLOAT, 0, 1)
float8_e4m3fnuz = dtype("float8_e4m3fnuz", None, FLOAT, 0, 1)
float8_e5m2fnuz = dtype("float8_e5m2fnuz", None, FLOAT, 0, 1)
float8_e8m0fnu = dtype("float8_e8m0fnu", None, FLOAT, 0, 1)


class Quantised(dtype):
    """A type that programs name in tables; no tensor here is of it."""

    __slots__ = ()

    def __init__(self, name: str, itemsize: int) -> None:
        self.name, self.category, self.rank, self.itemsize = name, INTEGER, 0, itemsize
        self._numpy = None

    @property
    def numpy(self) -> np.dtype:
        raise fail(
            NotImplementedError, f"there are no tensors of {self!r} here",
            "quantised types are left out: use int8 or uint8, and keep the scale beside it",
        )  # fmt: skip

    @property
    def is_signed(self) -> bool:
        raise RuntimeError("isSignedType not supported for quantized types")

    def __reduce__(self):
        return self.name


qint8, quint8, qint32 = Quantised("qint8", 1), Quantised("quint8", 1), Quantised("qint32", 4)
quint4x2, quint2x4 = Quantised("quint4x2", 1), Quantised("quint2x4", 1)

_TO_COMPLEX = {
    float16: complex32, bfloat16: complex64, float32: complex64, float64: complex128,
}  # fmt: skip
ALIASES = {
    "chalf": complex32, "half": float16, "float": float32, "double": float64, "short": int16,
    "int": int32, "long": int64, "cfloat": complex64, "cdouble": complex128,
}  # fmt: skip


def _load(kind: dtype) -> np.dtype:
    try:
        import ml_dtypes
    except ImportError as error:
        error.add_note(f"{kind.name} needs ml_dtypes: pip install ml_dtypes")
        raise
    kind._numpy = np.dtype(getattr(ml_dtypes, kind.name))
    OF_NUMPY[kind._numpy] = kind
    return kind._numpy


LONG_CODE = np.dtype(np.int64).char  # "l" where C's long has 64 bits, "q" on Windows
COMPLEX_CODES = frozenset("FDO")  # NumPy's type codes; O is ml_dtypes' complex32
# The kinds of numbers that ops tell apart, with NumPy's type codes; E is ml_dtypes' bfloat16.
KINDS = {
    "bool": "?", "uint8": "B", "int": np.typecodes["AllInteger"].replace("B", ""),
    "float16": "e", "bfloat16": "E", "float": "fd", "complex": "FDO",
}  # fmt: skip


def kind_of(kind: dtype) -> str:
    """Which of `KINDS` numbers of a type are."""
    return kind.name if kind.name in KINDS else ("bool", "int", "float", "complex")[kind.category]


def part_of(kind: np.dtype) -> np.dtype:
    """The NumPy type of the parts of complex numbers."""
    return np.dtype(f"f{kind.itemsize // 2}")


def parts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Real and imaginary parts of complex numbers, as views."""
    part = part_of(values.dtype)
    pairs = values.view([("real", part), ("imag", part)])
    return pairs["real"], pairs["imag"]


def laid(values: np.ndarray, shape: tuple[int, ...], steps: tuple[int, ...]) -> np.ndarray:
    """The memory from the first value on, seen in a shape with steps in bytes.

    NumPy looks at ml_dtypes' complex numbers in this way as bytes only.
    """
    kind = values.dtype
    if values.flags.c_contiguous and kind.kind != "W":
        try:
            return np.ndarray(shape, kind, values, 0, steps)  # a tenth of the time of what follows
        except (ValueError, TypeError):  # it reaches beyond the values
            pass
    if kind.kind == "W":
        values = values.view(f"V{kind.itemsize}")
    found = np.lib.stride_tricks.as_strided(values, shape, steps)
    return found if found.dtype is kind else found.view(kind)


def complex_of(part: np.dtype) -> np.dtype:
    """The NumPy type of complex numbers with parts of a type."""
    return OF_NUMPY[part].to_complex().numpy


def limits_of(kind: dtype) -> Any:
    """NumPy-style `finfo` of a floating-point type."""
    if kind._numpy is not None and kind._numpy.kind == "f" and kind.rank:
        return np.finfo(kind._numpy)
    _load(kind)
    import ml_dtypes

    return ml_dtypes.finfo(kind.numpy)


def narrowed(values: Any, kind: np.dtype) -> np.ndarray:
    """`values.astype(kind)` by torch's rules where ml_dtypes has others.

    float8_e4m3fn ends at 448 (no infinity, and no nan for what is larger); float8_e8m0fnu, which
    has no sign and no zero, takes sizes, and the smallest power for what lies below it.
    """
    if kind.itemsize == 1 and kind.char in "4W":
        values = np.asarray(values)
        values = values.astype(np.float32 if values.dtype.itemsize < 8 else np.float64)
        if kind.name == "float8_e4m3fn":
            values = np.clip(values, -448.0, 448.0)
        elif kind.name == "float8_e8m0fnu":
            values = np.maximum(np.abs(values), 2.0**-127)
    return values.astype(kind)


def named(name: str) -> dtype:
    """The data type of that name, with or without `torch.` before it."""
    name = name.removeprefix("torch.")
    return ALL.get(name) or ALIASES[name]


def of(array: np.ndarray | np.generic) -> dtype:
    """The data type of an array; TypeError, as torch, for one that no tensor can hold."""
    found = OF_NUMPY.get(array.dtype)
    if found is not None:
        return found
    if array.dtype.name in ALL and array.dtype.isbuiltin == 2:
        _load(ALL[array.dtype.name])
        return ALL[array.dtype.name]
    if array.dtype.kind in "biufc":
        native = OF_NUMPY.get(array.dtype.newbyteorder("="))
        if native is not None:
            return native
    raise TypeError(
        f"can't convert np.ndarray of type numpy.{array.dtype.type.__name__}. The only supported"
        " types are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8,"
        " uint64, uint32, uint16, uint8, and bool."
    )


def of_python(kind: type, default: dtype) -> dtype:
    """The data type that a Python scalar of that type stands for."""
    if issubclass(kind, (bool, np.bool_)):
        return bool_
    if issubclass(kind, (int, np.integer)):
        return int64
    if issubclass(kind, (float, np.floating)):
        return default
    return default.to_complex()


PYTHON: dict[Any, dtype] = {float: float64, int: int64, bool: bool_, complex: complex128}


def said(value: Any) -> Any:
    """The data type that a type of Python's says: `dtype=float` is float64; or the value."""
    return PYTHON.get(value, value) if type(value) is type else value


_BY_CATEGORY = {
    (FLOAT, 1): float16, (FLOAT, 2): float32, (FLOAT, 3): float64,
    (COMPLEX, 1): complex32, (COMPLEX, 2): complex64, (COMPLEX, 3): complex128,
    (INTEGER, 1): int8, (INTEGER, 2): int16, (INTEGER, 3): int32, (INTEGER, 4): int64,
}  # fmt: skip


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest type that both fit in, by torch's lattice: int64 with float32 is float32.

    Source: https://pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc

    >>> import rushlight as torch
    >>> torch.promote_types(torch.int64, torch.float16)
    torch.float16
    """
    a, b = type1, type2
    if a is b:
        return a
    if (not a.rank and a.category == FLOAT) or (not b.rank and b.category == FLOAT):
        raise _no_meeting(a, b)
    if a.category < b.category:
        a, b = b, a
    if a.category > b.category:
        if a.category == COMPLEX and b.category == FLOAT:
            return _BY_CATEGORY[COMPLEX, max(a.rank, b.to_complex().rank)]
        return a
    if a.category == INTEGER and a.is_signed != b.is_signed:
        signed, unsigned = (a, b) if a.is_signed else (b, a)
        if unsigned.rank >= 4:
            return float32
        wider = unsigned.rank + 1 if unsigned.rank >= signed.rank else signed.rank
        return _BY_CATEGORY[INTEGER, wider]
    if {a, b} == {float16, bfloat16}:
        return float32
    return a if a.rank > b.rank else b


def _no_meeting(a: dtype, b: dtype) -> BaseException:
    error = RuntimeError(
        "Promotion for Float8 Types is not supported, attempted to promote"
        f" {scalar_type_name(a)} and {scalar_type_name(b)}"
    )
    error.add_note("8-bit floats only store values: cast them, x.to(torch.float32)")
    return error


SCALAR_TYPE_NAMES = {
    "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long",
    "float16": "Half", "float32": "Float", "float64": "Double", "complex64": "ComplexFloat",
    "complex32": "ComplexHalf", "complex128": "ComplexDouble", "bool": "Bool",
    "bfloat16": "BFloat16",
}  # fmt: skip


def scalar_type_name(kind: dtype) -> str:
    """The name of a data type in torch's messages."""
    name = kind.name.capitalize() if kind.name.startswith("float8") else kind.name
    return SCALAR_TYPE_NAMES.get(name, name)


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether torch may write `from_` values into a `to` tensor (no step down in category).

    >>> import rushlight as torch
    >>> torch.can_cast(torch.float32, torch.int64)
    False
    """
    if from_.category > to.category:
        return False
    return not (to is bool_ and from_ is not bool_)


class _Named:
    """A constant known by its name (`torch.strided`)."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self):
        return _constant, (self.name,)


class layout(_Named):
    """How a tensor's elements are laid out in memory: in steps (strided) or as a sparse form.

    >>> import rushlight as torch
    >>> torch.ones(2).layout, torch.eye(2).to_sparse().layout
    (torch.strided, torch.sparse_coo)
    """

    __slots__ = ()


class memory_format(_Named):
    """The order of the dimensions in memory.

    >>> import rushlight as torch
    >>> x = torch.zeros(1, 2, 3, 4).to(memory_format=torch.channels_last)
    >>> x.shape, x.stride()
    (torch.Size([1, 2, 3, 4]), (24, 1, 8, 2))
    """

    __slots__ = ()


strided, sparse_coo = layout("strided"), layout("sparse_coo")
sparse_csr, sparse_csc = layout("sparse_csr"), layout("sparse_csc")
sparse_bsr, sparse_bsc = layout("sparse_bsr"), layout("sparse_bsc")
jagged = layout("jagged")  # of torch.nested
contiguous_format, preserve_format = (
    memory_format("contiguous_format"),
    memory_format("preserve_format"),
)
channels_last, channels_last_3d = memory_format("channels_last"), memory_format("channels_last_3d")


def _constant(name: str) -> Any:
    return globals()[name]


_DEVICE = re.compile("([a-zA-Z_]+)(?::(0|[1-9][0-9]*))?")


class device:
    """Where a tensor lives: a type (`cpu`) and an index.

    >>> import rushlight as torch
    >>> torch.device("cuda:1")
    device(type='cuda', index=1)
    """

    __slots__ = ("index", "type")

    KNOWN = (
        "cpu", "cuda", "mps", "meta", "xpu", "mkldnn", "opengl", "hip", "vulkan", "hpu", "mtia",
    )  # fmt: skip

    def __init__(self, type: Any, index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index
        elif isinstance(type, int):
            type, index = "cuda", type
        if type not in self.KNOWN:
            if not (parts := _DEVICE.fullmatch(type)):
                raise _no_device(type)
            type, number = parts.groups()
            index = index if number is None else int(number)
        if type not in self.KNOWN:
            error = RuntimeError(
                "Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga,"
                " maia, xla, lazy, vulkan, mps, meta, hpu, mtia, privateuseone device type at start"
                f" of device string: {type}"
            )
            if type == "gpu":
                error.add_note("torch's name for it is 'cuda'; rushlight computes on 'cpu'")
            raise error
        if index is not None and index < 0:
            raise RuntimeError("Device index must not be negative")
        self.type, self.index = type, None if type == "meta" else index

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self):
        return device, (self.type, self.index)

    def __enter__(self) -> device:
        DEFAULTS_OF_BLOCKS[0](self)
        return self

    def __exit__(self, *error: object) -> None:
        DEFAULTS_OF_BLOCKS[1]()


CPU = device("cpu")
DEFAULTS_OF_BLOCKS: list[Any] = []  # how a block's default device begins and ends, from above


def _no_device(text: str) -> BaseException:
    """torch's error for a text that does not even look like a device."""
    said = f"Invalid device string: '{text}'" if text else "Device string must not be empty"
    error = RuntimeError(said)
    kind, number = text.rstrip("0123456789"), text.lstrip("abcdefghijklmnopqrstuvwxyz")
    if isinstance(globals().get(text), dtype):
        error.add_note(f"'{text}' is a data type: torch.{text}, without quotes")
    elif kind in device.KNOWN and number:
        error.add_note(f"a number comes after a colon: '{kind}:{number}'")
    return error


def _not_strided(kind: Any) -> BaseException:
    if not isinstance(kind, layout):
        return TypeError(f"argument 'layout' must be torch.layout, not {type(kind).__name__}")
    error = NotImplementedError(f"tensors of layout {kind!r} are not available")
    error.add_note(
        "sparse layouts are there for zeros, empty, zeros_like and torch.sparse_*_tensor"
    )
    return error


def require_cpu(where: Any, kind: Any = None) -> device:
    """The device, when tensors can live on it here; torch's errors otherwise, also for layouts."""
    if kind is not None and kind is not strided:
        raise _not_strided(kind)
    if where is None or where == "cpu":
        return CPU
    found = device(where)
    if found.type == "cpu":
        return CPU
    if found.type == "cuda":
        error = AssertionError("Torch not compiled with CUDA enabled")
    else:
        error = NotImplementedError(f"device {str(found)!r} is not available")
    error.add_note(
        "this build computes on the CPU; device list: cpu. Drop the .to()/device=, or use"
        " 'cuda' if torch.cuda.is_available() else 'cpu'"
    )
    raise error
