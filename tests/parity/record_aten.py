"""Write down the schemas of torch's operators that have a function here.

`python tests/parity/record_aten.py` writes `rushlight/export/aten.txt`, a line for each form of an
operator, as torch's registry has them: "add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1)".
In-place forms follow from the others and are left out, and so are other names for the same.
"""

from __future__ import annotations

import re
from pathlib import Path

TARGET = Path(__file__).parents[2] / "rushlight" / "export" / "aten.txt"
_NO = re.compile(r"Dimname|\bt\[\]|\bt\b|AnyEnum|Future|Stream|\bcomplex\b|QScheme|Storage|\w+!")
_FORMS = re.compile(
    r"sublist|hacked|^dims$|out$|^names|generator|^prim_|^t$|_max$|_min$|_x$|_values$|_Complex|^str"
)
_NAMES = re.compile(
    r"^_|_backward|quant|cudnn|miopen|mkldnn|_copy$|^special_|^fft_|^sparse|^fbgemm|^sym_|^q_|^arc"
    r"|^unsafe|^align|^is_(?!nan)|^to_|^new_empty_|hspmm|smm|^cuda$|^cpu$|^(absolute|clip|concat|concatenate"
    r"|divide|greater|greater_equal|less|less_equal|multiply|negative|not_equal|subtract|swapdims"
    r"|true_divide|fix|ger|chain_matmul|orgqr|range|result_type|size|stride|storage_offset|dim|numel"
    r"|element_size|item|get_device|equal|tensor|as_tensor|retain_grad|requires_grad_|set_|data"
    r"|qr|svd|cholesky|inverse|matrix_exp|slogdet|pinverse|triangular_solve|lu_unpack)$"
)
_BESIDE = """
upsample_nearest1d.vec upsample_nearest2d.vec upsample_nearest3d.vec upsample_linear1d.vec
upsample_bilinear2d.vec upsample_trilinear3d.vec upsample_bicubic2d.vec lstm.input gru.input
rnn_tanh.input rnn_relu.input im2col nll_loss_nd cross_entropy_loss mT numpy_T mH lift_fresh_copy
copy_ zero_ fill_.Scalar fill_.Tensor
""".split()

# Forms that Python's own functions never reach: numbers go to the form for tensors.
_HIDDEN = """
add.Scalar sub.Scalar mul.Scalar div.Scalar div.Scalar_mode floor_divide.Scalar
""".split()


def lines(torch: object, known: object) -> list[str]:
    """The schemas, one line each."""
    found = {}
    for schema in torch._C._jit_get_all_schemas():
        name, form = schema.name, schema.overload_name
        if not name.startswith("aten::"):
            continue
        name, text = name[6:], str(schema)[6:]
        whole = f"{name}.{form}" if form else name
        asked = whole in _BESIDE
        if whole in _HIDDEN:
            continue
        if not asked and (_NAMES.search(name) or name.endswith("_") or known(name) is None):
            continue
        if not asked and (_NO.search(text) or _FORMS.search(form)):
            continue
        if "Tensor" in text.partition("->")[2]:
            plain = re.sub(r"\(\w(!|\|\w| -> \*)?\)", "", text.rpartition(") -> ")[0] + ")")
            found[whole] = plain.replace("SymInt", "int")
    return [found[one] for one in sorted(found)]


if __name__ == "__main__":
    import torch

    from rushlight import _ops

    rows = lines(torch, _ops._found)
    TARGET.write_text("\n".join(rows) + "\n")
    print(f"{len(rows)} schemas, {TARGET.stat().st_size} bytes")
