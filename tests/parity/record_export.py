"""Record the code of torch's exported programs: `python tests/parity/record_export.py`.

Each case is an expression of the input x (2, 5, 8), or a layer with the inputs it is called with.
"""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent / "data" / "export.json"
EXPRESSIONS = (
    """
x + 1|1 - x|x - 1|x / x|x / 2|x ** 2|2 ** x|2 / x|x // 2|x % 2|-x|x @ x.mT|x == x|x < 1|~(x > 0)
(x > 0) & (x < 1)|x[:, 0]|x[..., None]|x[0, 1:3]|x[:, ::2]|x[:, -1, :]|x[None, :, 2:]
x[torch.tensor([0, 1])]|x.T|x.mT|x.view(2, -1)|x.reshape(-1)|x.flatten(1)|x.squeeze(0)
x.unsqueeze(0)|x.transpose(-1, -2)|x.permute(0, 2, 1).contiguous()|x.expand(3, 2, 5, 8)
x.repeat(1, 2, 1)|x.flip(0)|x.roll(1, 0)|x.chunk(2, 1)|x.split(2, 1)|x.split([2, 3], 1)
x.unbind(1)|torch.cat([x, x])|torch.stack([x, x], 1)|x.sum()|x.sum(1)|x.mean(-1, keepdim=True)
x.var(0)|x.std()|x.norm()|x.prod(1)|x.amax(1)|x.max(1)|x.max()|x.min(1)|x.argmax(-1)|x.topk(2)
x.sort()|x.cumsum(1)|x.any(1)|x.all()|x.abs().sqrt().exp().log()|x.clamp(0, 1)|x.clamp(min=0)
torch.clamp(x, max=0)|x.sigmoid()|torch.tanh(x)|x.masked_fill(x > 0, 0.)|torch.where(x > 0, x, 0.)
x.to(torch.float64)|x.bool()|x.type_as(x)|x.clone()|x.detach()|x.add_(1)|x.new_zeros(3)
torch.ones_like(x)|torch.arange(3)|torch.zeros(2, 3)|torch.full((2, 2), 1.5)|torch.eye(3)
torch.linspace(0, 1, 3)|x + torch.tensor(3.)|torch.triu(torch.ones(3, 3), 1)
torch.tril(torch.ones(3, 3)) == 0|torch.einsum('abc->ab', x)|torch.matmul(x, x.mT)
torch.bmm(x, x.mT)|torch.outer(x[0, 0], x[0, 0])|torch.meshgrid(x[0, 0], x[0, 0], indexing='ij')
x.gather(1, torch.zeros(2, 1, 8, dtype=torch.long))|F.softmax(x, -1)|x.softmax(-1)|F.relu(x)
F.relu(x, inplace=True)|F.gelu(x)|F.silu(x)|F.elu(x)|F.leaky_relu(x, .1)|F.linear(x, x[0])
F.dropout(x, .5, True)|F.pad(x, (1, 1))|F.normalize(x, dim=1)|F.interpolate(x, scale_factor=2.)
F.scaled_dot_product_attention(x, x, x, is_causal=True)|F.one_hot(torch.tensor([1]), 3)
F.cross_entropy(x[:, :, 0], torch.tensor([1, 2]), label_smoothing=.1)|F.unfold(x[None], 2)
F.nll_loss(x[:, :, 0], torch.tensor([1, 2]))|F.mse_loss(x, x, reduction='sum')|F.huber_loss(x, x)
F.binary_cross_entropy_with_logits(x, x)|F.cosine_similarity(x, x)|(x, 3, None)|x.size(0)
""".strip()
    .replace("\n", "|")
    .split("|")
)
LAYERS = (
    """
Linear(8, 3) (x,)|BatchNorm1d(5) (x,)|BatchNorm1d(5).train() (x,)|LayerNorm(8) (x,)
Embedding(9, 4, padding_idx=2) (torch.tensor([1, 2]),)|LSTM(8, 4, batch_first=True) (x,)
LSTM(8, 4, 2, bidirectional=True) (x,)|GRU(8, 4) (x,)|RNN(8, 4) (x,)|GroupNorm(5, 5) (x,)
Conv1d(5, 3, 3, padding=1) (x,)|ConvTranspose1d(5, 3, 3) (x,)|Upsample(scale_factor=2) (x,)
Upsample(scale_factor=2, mode='bilinear') (x[None],)|AdaptiveAvgPool1d(2) (x,)|GELU() (x,)
GELU('tanh') (x,)|RMSNorm(8) (x,)|Softmax(-1) (x,)|LogSoftmax(1) (x,)|ReflectionPad1d(1) (x,)
PReLU() (x,)|InstanceNorm1d(5) (x,)|MSELoss() (x, x + 1)|MaxPool1d(2) (x,)|AvgPool1d(2) (x,)
MaxPool2d(2, padding=1) (x,)|ReLU(inplace=True) (x,)|Identity() (x,)|Hardtanh() (x,)|Flatten() (x,)
CrossEntropyLoss() (x[:, :, 0], torch.tensor([1, 2]))|Dropout(.2).train() (x,)|Softplus() (x,)
MultiheadAttention(8, 2, batch_first=True) (x, x, x)|MultiheadAttention(8, 2) (x, x + 1, x + 1)
TransformerEncoderLayer(8, 2, 16, batch_first=True) (x,)
TransformerDecoderLayer(8, 2, 16) (x, x + 1)
""".strip()
    .replace("\n", "|")
    .split("|")
)
# What torch notes for its own checks; and the one layer of ours that names the same move otherwise.
_LEFT_OUT = re.compile(r"\n *_assert_tensor_metadata\w* = [^\n]*")


def code(torch: Any, case: str) -> str:
    """The code of the exported program of a case."""
    torch.manual_seed(0)
    nn = torch.nn
    x = torch.randn(2, 5, 8)
    names = {"torch": torch, "x": x, "F": nn.functional}

    class Wrapped(nn.Module):
        def forward(self, x: Any) -> Any:
            return eval(case, {**names, "x": x})

    if case in EXPRESSIONS:
        model, args = Wrapped(), (x,)
    else:
        made, _, given = case.partition(") (")
        model = eval(f"nn.{made})", {"nn": nn})
        model = model if ".train(" in made else model.eval()
        args = eval(f"({given}", names)
    text = _LEFT_OUT.sub("", torch.export.export(model, args).graph_module.code)
    return text.replace(", 1, 0)", ", 0, 1)").strip()


if __name__ == "__main__":
    import torch
    import torch.export

    warnings.simplefilter("ignore")
    rows = {case: code(torch, case) for case in (*EXPRESSIONS, *LAYERS)}
    TARGET.write_text(json.dumps(rows, indent=0) + "\n")
    print(f"{len(rows)} programs, {TARGET.stat().st_size} bytes")
