"""Calls whose data types under autocast are recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def cases(torch: Any, d: list) -> dict[str, Callable[[], Any]]:
    """Every call by name, on operands of the type in `d`."""
    F = torch.nn.functional
    L = torch.tensor([0, 1])

    def R(*sizes: int) -> Any:
        return torch.rand(*sizes) + 0.1

    return {
        "mm": lambda: torch.mm(R(2, 2).to(d[0]), R(2, 2).to(d[0])),
        "matmul": lambda: torch.matmul(R(2, 2).to(d[0]), R(2).to(d[0])),
        "dot": lambda: torch.dot(R(2).to(d[0]), R(2).to(d[0])),
        "mv": lambda: torch.mv(R(2, 2).to(d[0]), R(2).to(d[0])),
        "bmm": lambda: torch.bmm(R(1, 2, 2).to(d[0]), R(1, 2, 2).to(d[0])),
        "addmm": lambda: torch.addmm(R(2, 2).to(d[0]), R(2, 2).to(d[0]), R(2, 2).to(d[0])),
        "baddbmm": lambda: torch.baddbmm(
            R(1, 2, 2).to(d[0]), R(1, 2, 2).to(d[0]), R(1, 2, 2).to(d[0])
        ),
        "addbmm": lambda: torch.addbmm(R(2, 2).to(d[0]), R(1, 2, 2).to(d[0]), R(1, 2, 2).to(d[0])),
        "addmv": lambda: torch.addmv(R(2).to(d[0]), R(2, 2).to(d[0]), R(2).to(d[0])),
        "addr": lambda: torch.addr(R(2, 2).to(d[0]), R(2).to(d[0]), R(2).to(d[0])),
        "chain_matmul": lambda: torch.chain_matmul(R(2, 2).to(d[0]), R(2, 2).to(d[0])),
        "multi_dot": lambda: torch.linalg.multi_dot([R(2, 2).to(d[0]), R(2, 2).to(d[0])]),
        "einsum": lambda: torch.einsum("ij,jk->ik", R(2, 2).to(d[0]), R(2, 2).to(d[0])),
        "inner": lambda: torch.inner(R(2, 2).to(d[0]), R(2, 2).to(d[0])),
        "outer": lambda: torch.outer(R(2).to(d[0]), R(2).to(d[0])),
        "tensordot": lambda: torch.tensordot(R(2, 2).to(d[0]), R(2, 2).to(d[0]), 1),
        "kron": lambda: torch.kron(R(2, 2).to(d[0]), R(2, 2).to(d[0])),
        "vecdot": lambda: torch.linalg.vecdot(R(2, 2).to(d[0]), R(2, 2).to(d[0])),
        "matrix_power": lambda: torch.matrix_power(R(2, 2).to(d[0]), 2),
        "bilinear": lambda: F.bilinear(R(2, 2).to(d[0]), R(2, 2).to(d[0]), R(3, 2, 2).to(d[0])),
        "operator": lambda: R(2, 2).to(d[0]) @ R(2, 2).to(d[0]),
        "linear": lambda: F.linear(R(2, 2).to(d[0]), R(2, 2).to(d[0]), R(2).to(d[0])),
        "conv1d": lambda: F.conv1d(R(1, 1, 4).to(d[0]), R(1, 1, 2).to(d[0])),
        "conv2d": lambda: F.conv2d(R(1, 1, 4, 4).to(d[0]), R(1, 1, 2, 2).to(d[0]), R(1).to(d[0])),
        "conv3d": lambda: F.conv3d(R(1, 1, 4, 4, 4).to(d[0]), R(1, 1, 2, 2, 2).to(d[0])),
        "conv_transpose1d": lambda: F.conv_transpose1d(R(1, 1, 4).to(d[0]), R(1, 1, 2).to(d[0])),
        "conv_transpose2d": lambda: F.conv_transpose2d(
            R(1, 1, 4, 4).to(d[0]), R(1, 1, 2, 2).to(d[0])
        ),
        "conv_transpose3d": lambda: F.conv_transpose3d(
            R(1, 1, 4, 4, 4).to(d[0]), R(1, 1, 2, 2, 2).to(d[0])
        ),
        "sdpa": lambda: F.scaled_dot_product_attention(
            R(1, 1, 2, 4).to(d[0]), R(1, 1, 2, 4).to(d[0]), R(1, 1, 2, 4).to(d[0])
        ),
        "mse_loss": lambda: F.mse_loss(R(2).to(d[0]), R(2).to(d[0])),
        "l1_loss": lambda: F.l1_loss(R(2).to(d[0]), R(2).to(d[0])),
        "smooth_l1_loss": lambda: F.smooth_l1_loss(R(2).to(d[0]), R(2).to(d[0])),
        "huber_loss": lambda: F.huber_loss(R(2).to(d[0]), R(2).to(d[0])),
        "cross_entropy": lambda: F.cross_entropy(R(2, 2).to(d[0]), L),
        "nll_loss": lambda: F.nll_loss(R(2, 2).to(d[0]), L),
        "bce": lambda: F.binary_cross_entropy(R(2).to(d[0]) / 2, R(2).to(d[0]) / 2),
        "bce_logits": lambda: F.binary_cross_entropy_with_logits(R(2).to(d[0]), R(2).to(d[0])),
        "kl_div": lambda: F.kl_div(R(2).to(d[0]), R(2).to(d[0]), reduction="sum"),
        "cosine_embedding_loss": lambda: F.cosine_embedding_loss(
            R(2, 2).to(d[0]), R(2, 2).to(d[0]), torch.ones(2)
        ),
        "hinge_embedding_loss": lambda: F.hinge_embedding_loss(R(2).to(d[0]), torch.ones(2)),
        "poisson_nll_loss": lambda: F.poisson_nll_loss(R(2).to(d[0]), R(2).to(d[0])),
        "margin_ranking_loss": lambda: F.margin_ranking_loss(
            R(2).to(d[0]), R(2).to(d[0]), torch.ones(2).to(d[0])
        ),
        "soft_margin_loss": lambda: F.soft_margin_loss(R(2).to(d[0]), torch.ones(2).to(d[0])),
        "triplet": lambda: F.triplet_margin_loss(
            R(2, 2).to(d[0]), R(2, 2).to(d[0]), R(2, 2).to(d[0])
        ),
        "multi_margin": lambda: F.multi_margin_loss(R(2, 2).to(d[0]), L),
        "multilabel_margin": lambda: F.multilabel_margin_loss(
            R(2, 2).to(d[0]), torch.tensor([[0, -1], [1, -1]])
        ),
        "multilabel_soft": lambda: F.multilabel_soft_margin_loss(
            R(2, 2).to(d[0]), torch.ones(2, 2).to(d[0])
        ),
        "ctc": lambda: F.ctc_loss(
            R(4, 1, 3).log().to(d[0]), torch.tensor([[1, 2]]), torch.tensor([4]), torch.tensor([2])
        ),
        "avg_pool2d": lambda: F.avg_pool2d(R(1, 1, 4, 4).to(d[0]), 2),
        "avg_pool3d": lambda: F.avg_pool3d(R(1, 1, 4, 4, 4).to(d[0]), 2),
        "max_pool2d": lambda: F.max_pool2d(R(1, 1, 4, 4).to(d[0]), 2),
        "max_pool3d": lambda: F.max_pool3d(R(1, 1, 4, 4, 4).to(d[0]), 2),
        "adaptive_avg_pool2d": lambda: F.adaptive_avg_pool2d(R(1, 1, 4, 4).to(d[0]), 2),
        "adaptive_avg_pool3d": lambda: F.adaptive_avg_pool3d(R(1, 1, 4, 4, 4).to(d[0]), 2),
        "adaptive_max_pool3d": lambda: F.adaptive_max_pool3d(R(1, 1, 4, 4, 4).to(d[0]), 2),
        "reflection_pad1d": lambda: F.pad(R(1, 1, 4).to(d[0]), (1, 1), "reflect"),
        "reflection_pad2d": lambda: F.pad(R(1, 1, 4, 4).to(d[0]), (1, 1, 1, 1), "reflect"),
        "replicate_pad3d": lambda: F.pad(R(1, 1, 4, 4, 4).to(d[0]), (1,) * 6, "replicate"),
        "replicate_pad1d": lambda: F.pad(R(1, 1, 4).to(d[0]), (1, 1), "replicate"),
        "constant_pad": lambda: F.pad(R(1, 4).to(d[0]), (1, 1)),
        "circular": lambda: F.pad(R(1, 1, 4).to(d[0]), (1, 1), "circular"),
        "grid_sample": lambda: F.grid_sample(R(1, 1, 4, 4).to(d[0]), R(1, 2, 2, 2).to(d[0])),
        "interpolate": lambda: F.interpolate(R(1, 1, 4, 4).to(d[0]), 8, mode="bilinear"),
        "softmax": lambda: F.softmax(R(2, 2).to(d[0]), 1),
        "log_softmax": lambda: F.log_softmax(R(2, 2).to(d[0]), 1),
        "layer_norm": lambda: F.layer_norm(R(2, 2).to(d[0]), (2,)),
        "batch_norm": lambda: F.batch_norm(R(2, 2, 2, 2).to(d[0]), None, None, training=True),
        "group_norm": lambda: F.group_norm(R(2, 2, 2, 2).to(d[0]), 1),
        "instance_norm": lambda: F.instance_norm(R(2, 2, 2, 2).to(d[0])),
        "rms_norm": lambda: F.rms_norm(R(2, 2).to(d[0]), (2,)),
        "prod": lambda: R(2).to(d[0]).prod(),
        "sum": lambda: R(2).to(d[0]).sum(),
        "mean": lambda: R(2).to(d[0]).mean(),
        "cumsum": lambda: R(2).to(d[0]).cumsum(0),
        "cumprod": lambda: R(2).to(d[0]).cumprod(0),
        "norm": lambda: R(2).to(d[0]).norm(),
        "trace": lambda: R(2, 2).to(d[0]).trace(),
        "exp": lambda: R(2).to(d[0]).exp(),
        "log": lambda: R(2).to(d[0]).log(),
        "pow": lambda: R(2).to(d[0]).pow(2.5),
        "sqrt": lambda: R(2).to(d[0]).sqrt(),
        "rsqrt": lambda: R(2).to(d[0]).rsqrt(),
        "erfinv": lambda: (R(2) / 2).to(d[0]).erfinv(),
        "tan": lambda: R(2).to(d[0]).tan(),
        "sigmoid": lambda: R(2).to(d[0]).sigmoid(),
        "tanh": lambda: R(2).to(d[0]).tanh(),
        "relu": lambda: F.relu(R(2).to(d[0])),
        "gelu": lambda: F.gelu(R(2).to(d[0])),
        "softplus": lambda: F.softplus(R(2).to(d[0])),
        "add": lambda: R(2).to(d[0]) + R(2).to(d[0]),
        "mul": lambda: R(2).to(d[0]) * R(2).to(d[0]),
        "div": lambda: R(2).to(d[0]) / R(2).to(d[0]),
        "std": lambda: R(2).to(d[0]).std(),
        "var": lambda: R(2).to(d[0]).var(),
        "logsumexp": lambda: R(2).to(d[0]).logsumexp(0),
        "dist": lambda: torch.dist(R(2).to(d[0]), R(2).to(d[0])),
        "cdist": lambda: torch.cdist(R(2, 2).to(d[0]), R(2, 2).to(d[0])),
        "renorm": lambda: R(2, 2).to(d[0]).renorm(2, 0, 1),
        "quantile": lambda: R(2).to(d[0]).quantile(0.5),
        "nanquantile": lambda: R(2).to(d[0]).nanquantile(0.5),
        "polar": lambda: torch.polar(R(2).to(d[0]), R(2).to(d[0])),
        "view_as_complex": lambda: torch.view_as_complex(R(2, 2).to(d[0])),
        "stft": lambda: torch.stft(
            R(16).to(d[0]), 4, return_complex=True, window=torch.ones(4).to(d[0])
        ),
        "inverse": lambda: torch.inverse(R(2, 2).to(d[0])),
        "pinverse": lambda: torch.pinverse(R(2, 2).to(d[0])),
        "cholesky": lambda: torch.cholesky(torch.eye(2).to(d[0])),
        "det": lambda: torch.det(R(2, 2).to(d[0])),
        "slogdet": lambda: torch.slogdet(R(2, 2).to(d[0]))[1],
        "logdet": lambda: torch.logdet(torch.eye(2).to(d[0])),
        "l_inv": lambda: torch.linalg.inv(R(2, 2).to(d[0])),
        "l_solve": lambda: torch.linalg.solve(R(2, 2).to(d[0]), R(2).to(d[0])),
        "l_svd": lambda: torch.linalg.svd(R(2, 2).to(d[0]))[1],
        "l_qr": lambda: torch.linalg.qr(R(2, 2).to(d[0]))[0],
        "l_eigh": lambda: torch.linalg.eigh(R(2, 2).to(d[0]))[0],
        "l_eig": lambda: torch.linalg.eig(R(2, 2).to(d[0]))[0],
        "l_norm": lambda: torch.linalg.norm(R(2, 2).to(d[0])),
        "l_vector_norm": lambda: torch.linalg.vector_norm(R(2, 2).to(d[0])),
        "l_matrix_norm": lambda: torch.linalg.matrix_norm(R(2, 2).to(d[0])),
        "l_cholesky": lambda: torch.linalg.cholesky(torch.eye(2).to(d[0])),
        "l_det": lambda: torch.linalg.det(R(2, 2).to(d[0])),
        "l_lstsq": lambda: torch.linalg.lstsq(R(2, 2).to(d[0]), R(2, 1).to(d[0]))[0],
        "l_matrix_rank": lambda: torch.linalg.matrix_rank(R(2, 2).to(d[0])),
        "l_cond": lambda: torch.linalg.cond(R(2, 2).to(d[0])),
        "l_eigvalsh": lambda: torch.linalg.eigvalsh(R(2, 2).to(d[0])),
        "l_svdvals": lambda: torch.linalg.svdvals(R(2, 2).to(d[0])),
        "l_slogdet": lambda: torch.linalg.slogdet(R(2, 2).to(d[0]))[1],
        "qr": lambda: torch.qr(R(2, 2).to(d[0]))[0],
        "svd": lambda: torch.svd(R(2, 2).to(d[0]))[1],
        "fft": lambda: torch.fft.fft(R(4).to(d[0])),
        "rfft": lambda: torch.fft.rfft(R(4).to(d[0])),
        "irfft": lambda: torch.fft.irfft(R(4).to(d[0])),
        "ifft": lambda: torch.fft.ifft(R(4).to(d[0])),
        "fft2": lambda: torch.fft.fft2(R(4, 4).to(d[0])),
        "rfftn": lambda: torch.fft.rfftn(R(4, 4).to(d[0])),
        "cat": lambda: torch.cat([R(2), R(2).to(d[0])]),
        "stack": lambda: torch.stack([R(2), R(2).to(d[0])]),
        "index_copy": lambda: R(2).index_copy(0, L, R(2).to(d[0])),
        "addcmul": lambda: torch.addcmul(R(2), R(2).to(d[0]), R(2).to(d[0])),
        "atan2": lambda: torch.atan2(R(2), R(2).to(d[0])),
        "where": lambda: torch.where(R(2) > 1, R(2), R(2).to(d[0])),
        "embedding": lambda: F.embedding(L, R(2, 2).to(d[0])),
        "prelu": lambda: F.prelu(R(2, 2).to(d[0]), R(1).to(d[0])),
        "multi_head": lambda: torch.nn.MultiheadAttention(4, 2)(
            *[R(2, 1, 4).to(torch.float32)] * 3
        )[0],
        "lstm": lambda: torch.nn.LSTM(2, 2)(R(2, 1, 2))[0],
        "gru": lambda: torch.nn.GRU(2, 2)(R(2, 1, 2))[0],
        "rnn": lambda: torch.nn.RNN(2, 2)(R(2, 1, 2))[0],
        "lstm_cell": lambda: torch.nn.LSTMCell(2, 2)(R(1, 2))[0],
        "gru_cell": lambda: torch.nn.GRUCell(2, 2)(R(1, 2)),
    }


def answers(torch: Any) -> dict[str, list[str]]:
    """The data type (or the error) of each call for float32, bfloat16 and float64 operands."""
    kind = [torch.float32]
    found: dict[str, list[str]] = {}
    for name, call in cases(torch, kind).items():
        for kind[0] in (torch.float32, torch.bfloat16, torch.float64):
            with torch.autocast("cpu", torch.bfloat16):
                try:
                    word = str(call().dtype).removeprefix("torch.")
                except (RuntimeError, NotImplementedError):
                    word = "error"
            found.setdefault(name, []).append(word)
    return found
