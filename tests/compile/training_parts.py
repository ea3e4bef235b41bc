"""What random training programs are made of: parts of networks, losses, steps, events.

A row of parts is: what __init__ makes | what forward does | the width afterwards. There @ is the
part's own name, C the width (or channels) before, N a new one, A an activation, "h" the value.
"""

# ruff: noqa: E501  (tables of templates, as long as they are)
from __future__ import annotations

ACTIVATIONS = "F.relu F.gelu F.silu t.tanh F.elu F.softplus t.sigmoid F.leaky_relu F.hardswish F.mish F.selu F.relu6 F.softsign F.tanhshrink F.logsigmoid F.celu".split()

VECTOR = """self.@ = nn.Linear(C, N)|h = self.@(h)|N
self.@ = nn.Linear(C, N, bias=False)|h = A(self.@(h))|N
self.@ = nn.Linear(C, C)|h = h + A(self.@(h))|C
self.@ = nn.BatchNorm1d(C)|h = self.@(h)|C
self.@ = nn.BatchNorm1d(C, momentum=None)|h = self.@(h)|C
self.@ = nn.BatchNorm1d(C, affine=False, momentum=0.3)|h = self.@(h)|C
self.@ = nn.BatchNorm1d(C, track_running_stats=False)|h = self.@(h)|C
self.@ = nn.LayerNorm(C)|h = self.@(h)|C
self.@ = nn.RMSNorm(C)|h = self.@(h)|C
self.@ = nn.GroupNorm(1, C)|h = self.@(h)|C
self.@ = nn.PReLU()|h = self.@(h)|C
self.@ = nn.PReLU(C)|h = self.@(h)|C
self.@ = nn.Dropout(0.3)|h = self.@(h)|C
self.@ = nn.AlphaDropout(0.2)|h = self.@(h)|C
pass|h = A(h)|C
pass|h = F.dropout(h, 0.2, self.training)|C
pass|h = F.normalize(h, dim=-1) * 2|C
pass|h = h + 0.1 * t.randn_like(h) if self.training else h|C
pass|h = Scaled.apply(h, 0.5)|C
pass|h = Straight.apply(h)|C
pass|h = checkpoint(lambda y: A(y) * 1.1, h, use_reentrant=False)|C
pass|h = h.softmax(-1) * h|C
pass|h = t.where(h > 0, h, 0.1 * h)|C
pass|h = h - h.mean(0, keepdim=True).detach()|C
pass|h = h.clamp(-2, 2)|C
pass|h = t.cat([h, h.square()], -1)|2 * C
pass|a, b = t.cat([h, h.cos()], -1).chunk(2, -1); h = a * b.sigmoid()|C
self.@ = nn.Linear(C, C)|h = A(self.@(A(self.@(h))))|C
self.@ = weight_norm(nn.Linear(C, N))|h = self.@(h)|N
self.@ = spectral_norm(nn.Linear(C, N))|h = self.@(h)|N
self.@ = orthogonal(nn.Linear(C, C))|h = self.@(h)|C
self.@ = nn.utils.weight_norm(nn.Linear(C, N))|h = self.@(h)|N
self.@ = nn.Linear(C, C); register_parametrization(self.@, 'weight', Symmetric())|h = self.@(h)|C
self.@ = nn.Bilinear(C, C, N)|h = self.@(h, A(h))|N
self.@ = nn.Parameter(t.randn(C, N) / 3)|h = h @ self.@|N
self.@ = nn.Parameter(t.randn(3, C, N) / 3)|h = t.einsum('bi,kio->bko', h, self.@).amax(1)|N
self.@ = nn.ParameterList([nn.Parameter(t.randn(C) / 2) for _ in range(2)])|h = h * self.@[0] + self.@[1]|C
self.@ = nn.ModuleList([nn.Linear(C, N) for _ in range(3)]); self.@g = nn.Linear(C, 3)|g = self.@g(h).softmax(-1); h = sum(g[:, k : k + 1] * e(h) for k, e in enumerate(self.@))|N
self.@ = nn.GRUCell(C, N)|h = self.@(h, h.new_zeros(len(h), N))|N
self.@ = nn.LSTMCell(C, N)|h, c = self.@(h); h, c = self.@(A(h).new_ones(len(h), C) * h.mean(), (h, c))|N
self.@ = nn.RNNCell(C, C)|h = self.@(h, self.@(h))|C
self.register_buffer('@', t.zeros(C))|h = h - self.@; self.@.mul_(0.9).add_(0.1 * h.detach().mean(0))|C
self.register_buffer('@', t.zeros(())); self.register_buffer('@n', t.tensor(0))|self.@n += 1; self.@ = 0.5 * self.@ + h.detach().abs().mean(); h = h / (self.@ + 1)|C
self.register_buffer('@', t.ones(C), persistent=False)|h = h * self.@|C
self.@ = nn.Sequential(nn.Linear(C, 2 * N), nn.GLU(-1), nn.LayerNorm(N))|h = self.@(h)|N
self.@ = nn.Sequential(nn.Linear(C, N), nn.LayerNorm(N), nn.ReLU(inplace=True), nn.Dropout(0.1))|h = checkpoint(self.@, h, use_reentrant=False)|N
self.@ = nn.Sequential(nn.Linear(C, N), nn.Tanh(), nn.Linear(N, C))|h = h + self.@(h); h.register_hook(lambda g: 0.5 * g) if h.requires_grad else None|C
self.@ = nn.Linear(C, C); self.@.register_forward_hook(lambda m, a, y: y * 1.5)|h = self.@(h)|C
self.@ = nn.Linear(C, C); self.@.register_forward_pre_hook(lambda m, a: (a[0] + 1,))|h = self.@(h)|C
self.@ = nn.Linear(C, C); self.@.register_full_backward_hook(lambda m, i, o: (i[0] * 2,) if i[0] is not None else None)|h = self.@(h)|C
self.@ = nn.EmbeddingBag(7, C, mode='mean')|h = h + self.@((h.detach()[:, :2].abs() * 3).long().clamp(max=6))|C
self.@ = nn.Linear(C, C)|h = t.vmap(lambda r: A(self.@(r)))(h)|C
self.@ = nn.Linear(C, C)|h = h + t.func.vjp(lambda y: A(self.@(y)), h)[1](t.ones_like(h))[0]|C
self.@ = nn.Linear(C, C)|h = h + t.func.jvp(lambda y: A(self.@(y)), (h,), (t.ones_like(h),))[1]|C"""
IMAGE = """self.@ = nn.Conv2d(C, N, 3, padding=1)|h = A(self.@(h))|N
self.@ = nn.Conv2d(C, N, 3, padding='same', bias=False)|h = self.@(h)|N
self.@ = nn.Conv2d(C, N, 1)|h = self.@(h)|N
self.@ = nn.Conv2d(C, N, 3, stride=2, padding=1)|h = A(self.@(h))|N
self.@ = nn.Conv2d(C, N, (1, 3), padding=(0, 1), dilation=1)|h = self.@(h)|N
self.@ = nn.Conv2d(C, N, 3, padding=2, dilation=2)|h = self.@(h)|N
self.@ = nn.Conv2d(C, C, 3, padding=1, groups=C)|h = self.@(h)|C
self.@ = nn.Conv2d(C, 2 * C, 3, padding=1, groups=C)|h = self.@(h)|2 * C
self.@ = nn.Conv2d(C, N, 3, padding=1, padding_mode='circular')|h = self.@(h)|N
self.@ = nn.Conv2d(C, N, 3, padding=1, padding_mode='reflect')|h = self.@(h)|N
self.@ = nn.ConvTranspose2d(C, N, 3, padding=1)|h = A(self.@(h))|N
self.@ = nn.ConvTranspose2d(C, N, 2, stride=2)|h = F.avg_pool2d(self.@(h), 2)|N
self.@ = nn.BatchNorm2d(C)|h = self.@(h)|C
self.@ = nn.BatchNorm2d(C, momentum=None)|h = A(self.@(h))|C
self.@ = nn.InstanceNorm2d(C, affine=True, track_running_stats=True)|h = self.@(h)|C
self.@ = nn.InstanceNorm2d(C)|h = self.@(h)|C
self.@ = nn.GroupNorm(C, C)|h = self.@(h)|C
self.@ = nn.LayerNorm(C)|h = self.@(h.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)|C
self.@ = nn.LocalResponseNorm(2)|h = self.@(h)|C
self.@ = nn.Dropout2d(0.2)|h = self.@(h)|C
self.@ = nn.Sequential(nn.Conv2d(C, C, 3, padding=1, bias=False), nn.BatchNorm2d(C), nn.ReLU(inplace=True), nn.Conv2d(C, C, 3, padding=1, bias=False), nn.BatchNorm2d(C))|h = F.relu(h + self.@(h))|C
self.@ = nn.Sequential(nn.Conv2d(C, N, 3, padding=1, bias=False), nn.BatchNorm2d(N)); self.@d = nn.Conv2d(C, N, 1)|h = F.relu(self.@(h) + self.@d(h), inplace=True)|N
self.@ = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(C, 2, 1), nn.ReLU(), nn.Conv2d(2, C, 1), nn.Sigmoid())|h = h * self.@(h)|C
self.@ = spectral_norm(nn.Conv2d(C, N, 3, padding=1))|h = self.@(h)|N
self.@ = weight_norm(nn.Conv2d(C, N, 3, padding=1))|h = self.@(h)|N
self.@ = nn.Conv2d(C, N, 3, padding=1)|h = checkpoint(lambda y: A(self.@(y)), h, use_reentrant=False)|N
self.@ = nn.PReLU(C)|h = self.@(h)|C
self.@ = nn.Parameter(t.zeros(1, C, 1, 1))|h = h * (1 + self.@)|C
pass|h = F.max_pool2d(h, 2) if h.shape[-1] > 3 else h|C
pass|h = F.max_pool2d(h, 3, 1, 1)|C
pass|h = F.avg_pool2d(h, 3, 1, 1, count_include_pad=False)|C
pass|h = F.interpolate(h, scale_factor=2, mode='nearest')[:, :, 1::2, ::2]|C
pass|h = F.interpolate(h, size=(5, 6), mode='bilinear', align_corners=False)|C
pass|h = F.adaptive_avg_pool2d(h, (4, 3))|C
pass|h = F.adaptive_max_pool2d(h, (3, 4))|C
pass|h = F.pixel_shuffle(t.cat([h] * 4, 1), 2)[..., :4, :4]|C
pass|h = h.contiguous(memory_format=t.channels_last)|C
pass|h = A(h)|C
pass|h = h.flip(-1) + h|C
pass|h = t.cat([h, h.mean((2, 3), keepdim=True).expand_as(h)], 1)|2 * C
pass|h = F.pad(h, (1, 0, 0, 1), mode='replicate')|C
pass|h = h.transpose(2, 3)|C
pass|h = h.roll((1, 1), (2, 3))|C
self.@ = nn.MultiheadAttention(C, 1, batch_first=True)|y = h.flatten(2).transpose(1, 2); h = h + self.@(y, y, y, need_weights=False)[0].transpose(1, 2).reshape(h.shape)|C
pass|h = h * (t.rand(len(h), 1, 1, 1) > 0.2).to(h.dtype) / 0.8 if self.training else h|C"""
SEQUENCE = r"""self.@ = nn.LSTM(C, N, batch_first=True)|h, _ = self.@(h)|N
self.@ = nn.LSTM(C, 3, 2, batch_first=True, bidirectional=True, dropout=0.2)|h, _ = self.@(h)|6
self.@ = nn.LSTM(C, N, batch_first=True, proj_size=2)|h, (a, b) = self.@(h); h = h + a[-1].unsqueeze(1)|2
self.@ = nn.GRU(C, N, batch_first=True)|h, a = self.@(h); h = h * a[-1][:, None].sigmoid()|N
self.@ = nn.GRU(C, 4, 2, batch_first=True, bidirectional=True)|h = self.@(h)[0]|8
self.@ = nn.RNN(C, N, batch_first=True, nonlinearity='relu')|h, _ = self.@(h)|N
self.@ = nn.RNN(C, N, bias=False)|h = self.@(h.transpose(0, 1))[0].transpose(0, 1)|N
self.@ = nn.GRU(C, C, batch_first=True)|p = nn.utils.rnn.pack_padded_sequence(h, [h.shape[1]] + [max(1, h.shape[1] - 2)] * (len(h) - 1), batch_first=True); h = h + nn.utils.rnn.pad_packed_sequence(self.@(p)[0], batch_first=True)[0]|C
self.@ = nn.LSTMCell(C, C)|s, o = None, []\nfor x in h.unbind(1):\n    s = self.@(x, s)\n    o.append(s[0])\nh = t.stack(o, 1)|C
self.@ = nn.MultiheadAttention(C, 1, batch_first=True)|h = h + self.@(h, h, h)[0]|C
self.@ = nn.MultiheadAttention(C, 1, dropout=0.1, batch_first=True)|m = t.ones(h.shape[1], h.shape[1], dtype=t.bool).triu(1); h = self.@(h, h, h, attn_mask=m, need_weights=False)[0]|C
self.@ = nn.TransformerEncoderLayer(C, 1, 6, 0.1, batch_first=True)|h = self.@(h)|C
self.@ = nn.TransformerEncoderLayer(C, 1, 5, 0.0, 'gelu', batch_first=True, norm_first=True)|h = self.@(h, src_mask=nn.Transformer.generate_square_subsequent_mask(h.shape[1]).to(h.dtype), is_causal=True)|C
self.@ = nn.TransformerDecoderLayer(C, 1, 6, 0.1, batch_first=True)|h = self.@(h, h.flip(1))|C
self.@ = nn.Linear(C, 3 * C)|q, k, v = self.@(h).chunk(3, -1); h = F.scaled_dot_product_attention(q, k, v, is_causal=True)|C
self.@ = nn.Linear(C, C)|w = (h @ self.@(h).mT / C ** 0.5).masked_fill(t.ones(h.shape[1], h.shape[1], dtype=t.bool).triu(1), float('-inf')); h = w.softmax(-1) @ h|C
self.@ = nn.Conv1d(C, N, 3, padding=1)|h = A(self.@(h.transpose(1, 2))).transpose(1, 2)|N
self.@ = nn.Conv1d(C, C, 2, groups=C)|h = h + self.@(F.pad(h.mT, (1, 0))).mT|C
self.@ = nn.LayerNorm(C)|h = self.@(h)|C
self.@ = nn.Linear(C, N)|h = A(self.@(h))|N
self.@ = nn.Parameter(t.randn(1, 12, C) / 5)|h = h + self.@[:, : h.shape[1]]|C
self.@ = nn.Embedding(12, C)|h = h + self.@(t.arange(h.shape[1]))|C
self.@ = nn.Dropout(0.2)|h = self.@(h)|C
self.@ = nn.BatchNorm1d(C)|h = self.@(h.transpose(1, 2)).transpose(1, 2)|C
pass|h = h.cumsum(1) / 3|C
pass|h = h + h.roll(1, 1)|C
pass|h = A(h)|C
pass|h = t.cat([h, h.flip(1)], -1)|2 * C
pass|h = h - h.mean(1, keepdim=True)|C
pass|d = [h[:, 0]]; [d.append(0.7 * d[-1] + 0.3 * h[:, k].tanh()) for k in range(1, h.shape[1])]; h = t.stack(d, 1)|C
pass|h = h.clone(); h[:, 0] = 0.5; h[:, 1:] *= 0.9|C
pass|h = h * t.cos(t.arange(h.shape[1], dtype=h.dtype))[:, None]|C"""
ENDS = {  # from a kind to vectors
    "image": "h = h.mean((2, 3))|h = h.amax((2, 3))|h = F.adaptive_avg_pool2d(h, 1).flatten(1)|h = F.adaptive_max_pool2d(h, 1)[..., 0, 0]",
    "sequence": "h = h.mean(1)|h = h[:, -1]|h = h.amax(1)|h = h.logsumexp(1)|h = h.max(1)[0]|h = (h.softmax(1) * h).sum(1)",
}
EMBEDDINGS = """nn.Embedding(9, C, padding_idx=0)|nn.Embedding(9, C)|nn.Embedding(9, C, padding_idx=2, scale_grad_by_freq=True)|nn.Embedding(9, C, max_norm=1.5)""".split(
    "|"
)
CLASS_LOSSES = """F.cross_entropy(o, y)|F.cross_entropy(o, y, label_smoothing=0.1)|F.nll_loss(F.log_softmax(o, 1), y)
F.cross_entropy(o, y, ignore_index=1)|F.cross_entropy(o, y, t.tensor([0.5, 1.0, 2.0], dtype=o.dtype))|F.multi_margin_loss(o, y)
F.cross_entropy(o, F.one_hot(y, 3).to(o.dtype))|F.mse_loss(o.softmax(1), F.one_hot(y, 3).to(o.dtype))
F.binary_cross_entropy_with_logits(o, F.one_hot(y, 3).to(o.dtype), pos_weight=t.tensor([1.0, 2.0, 3.0], dtype=o.dtype))
F.kl_div(F.log_softmax(o, 1), F.softmax(o.detach().flip(0), 1), reduction='batchmean') + F.cross_entropy(o, y)
F.multilabel_soft_margin_loss(o, F.one_hot(y, 3).to(o.dtype))|F.smooth_l1_loss(o, F.one_hot(y, 3).to(o.dtype))
F.gaussian_nll_loss(o[:, 0], y.to(o.dtype), F.softplus(o[:, 1]) + 0.1)|F.poisson_nll_loss(o, y[:, None].to(o.dtype).expand_as(o))
F.huber_loss(o.mean(1), y.to(o.dtype), delta=0.5)|(F.cross_entropy(o, y, reduction='none') * (y + 1)).sum() / (y + 1).sum()
-(o.log_softmax(1).gather(1, y[:, None])).mean() + 0.01 * o.logsumexp(1).square().mean()|F.binary_cross_entropy(o.sigmoid(), F.one_hot(y, 3).to(o.dtype))
F.triplet_margin_loss(o, o.roll(1, 0), o.roll(2, 0).detach() + 1)|F.cosine_embedding_loss(o, o.detach().flip(0), (y > 0) * 2 - 1)
-t.distributions.Categorical(logits=o).log_prob(y).mean()|F.margin_ranking_loss(o[:, 0], o[:, 1], (y > 0) * 2.0 - 1)"""
OPTIMISERS = """SGD(P, lr=0.05)|SGD(P, lr=0.05, momentum=0.9)|SGD(P, lr=0.03, momentum=0.9, nesterov=True, weight_decay=0.01)|SGD(P, lr=0.03, momentum=0.8, dampening=0.3)
SGD(P, lr=0.02, maximize=True)|Adam(P, lr=0.01, eps=1e-3)|Adam(P, lr=0.01, eps=1e-3, amsgrad=True, weight_decay=0.02)|AdamW(P, lr=0.01, eps=1e-3)
AdamW(P, lr=0.01, eps=1e-3, betas=(0.8, 0.95), amsgrad=True)|Adam(P, lr=0.01, eps=1e-3, foreach=True)|AdamW(P, lr=0.01, eps=1e-3, fused=True)|NAdam(P, lr=0.01, eps=1e-3)
SGD(P, lr=0.04, momentum=0.5, foreach=True)
RAdam(P, lr=0.01, eps=1e-3)|Adamax(P, lr=0.01, eps=1e-3)|Adadelta(P, lr=0.5, eps=1e-3)|Adagrad(P, lr=0.05, eps=1e-3, lr_decay=0.01)|ASGD(P, lr=0.02, t0=2)
RMSprop(P, lr=0.01, eps=1e-3)|RMSprop(P, lr=0.01, eps=1e-3, centered=True, momentum=0.5)|NAdam(P, lr=0.01, eps=1e-3, decoupled_weight_decay=True, weight_decay=0.1)
Adam(P, lr=t.tensor(0.01, dtype=DT), eps=1e-3)|RAdam(P, lr=0.01, eps=1e-3, decoupled_weight_decay=True, weight_decay=0.1)|Adam(P, lr=0.01, eps=1e-3, decoupled_weight_decay=True, weight_decay=0.1)"""
SCHEDULES = """StepLR(opt, 2, 0.5)|MultiStepLR(opt, [2, 4], 0.3)|ExponentialLR(opt, 0.9)|CosineAnnealingLR(opt, 5)|CosineAnnealingWarmRestarts(opt, 2, 2)
LinearLR(opt, 0.2, 1.0, 3)|ConstantLR(opt, 0.3, 2)|PolynomialLR(opt, 5, 1.5)|LambdaLR(opt, lambda e: 0.9 ** e)|MultiplicativeLR(opt, lambda e: 0.8)
OneCycleLR(opt, 0.05, total_steps=40)|CyclicLR(opt, 0.005, 0.05, 2, mode='triangular2', cycle_momentum=False)|SequentialLR(opt, [S.LinearLR(opt, 0.1, 1.0, 2), S.CosineAnnealingLR(opt, 4)], [2])
ReduceLROnPlateau(opt, patience=0, factor=0.6)|ReduceLROnPlateau(opt, 'max', factor=0.7, patience=1, cooldown=1)
ChainedScheduler([S.ConstantLR(opt, 0.1, 2), S.ExponentialLR(opt, 0.9)])"""
STEPS = {
    "plain": "loss = criterion(net(x), y)\nloss.backward()",
    "accumulated": "loss = 0.0\nfor a, b in zip(x.chunk(2), y.chunk(2)):\n    part = criterion(net(a), b) / 2\n    part.backward()\n    loss = loss + part.detach()",
    "penalised": "loss = criterion(net(x), y) + 0.01 * sum(p.square().sum() for p in net.parameters() if p.requires_grad)\nloss.backward()",
    "input gradient": "x = x.clone().requires_grad_(x.is_floating_point())\no = net(x)\nloss = criterion(o, y)\nif x.requires_grad:\n    g, = t.autograd.grad(o.sum(), x, create_graph=True)\n    loss = loss + 0.1 * g.square().sum()\nloss.backward()",
    "twice": "o = net(x)\nloss = criterion(o, y)\nloss.backward(retain_graph=True)\n(0.1 * o.square().mean()).backward()",
    "grad": "loss = criterion(net(x), y)\nwanted = [p for p in net.parameters() if p.requires_grad]\nfor p, g in zip(wanted, t.autograd.grad(loss, wanted, allow_unused=True)):\n    p.grad = g",
    "functional": "wanted = {k: p.detach() for k, p in net.named_parameters()}\ndef objective(w):\n    return criterion(t.func.functional_call(net, w, (x,)), y)\ng, loss = t.func.grad_and_value(objective)(wanted)\nfor k, p in net.named_parameters():\n    p.grad = g[k]",
    "scaled": "loss = criterion(net(x), y)\nscaler.scale(loss).backward()\nscaler.unscale_(opt)",
    "consistent": "o, again = net(x), net(x)\nloss = criterion(o, y) + F.mse_loss(again, o.detach())\nloss.backward()",
    "distilled": "with t.no_grad():\n    w = teacher(x)\no = net(x)\nloss = criterion(o, y) + F.kl_div(o.log_softmax(1), w.softmax(1), reduction='batchmean')\nloss.backward()",
    "autocast": "with t.autocast('cpu', dtype=t.bfloat16):\n    o = net(x)\nloss = criterion(o.to(DT), y)\nloss.backward()",
    "sam": "criterion(net(x), y).backward()\nwith t.no_grad():\n    moved = [(p, 0.05 * p.grad) for p in net.parameters() if p.grad is not None]\n    for p, d in moved:\n        p.add_(d)\nopt.zero_grad()\nloss = criterion(net(x), y)\nloss.backward()\nwith t.no_grad():\n    for p, d in moved:\n        p.sub_(d)",
    "adversarial": "if x.is_floating_point():\n    d = t.zeros_like(x, requires_grad=True)\n    g, = t.autograd.grad(criterion(net(x + d), y), d)\n    x = x + 0.05 * g.tanh()\nloss = criterion(net(x), y)\nloss.backward()",
    "attacked": "near = x\nif x.is_floating_point():\n    near = x.detach() + t.empty_like(x).uniform_(-0.05, 0.05)\n    for _ in range(2):\n        near.requires_grad_()\n        g, = t.autograd.grad(criterion(net(near), y), [near])\n        near = t.min(t.max(near.detach() + 0.03 * g.tanh(), x - 0.1), x + 0.1)\nopt.zero_grad()\nloss = criterion(net(near), y)\nloss.backward()",
    "pushed": "if x.is_floating_point():\n    d = t.zeros_like(x, requires_grad=True)\n    for _ in range(2):\n        criterion(net(x + d), y).backward()\n        d.data = (d + 0.05 * d.grad.detach().tanh()).clamp(-0.1, 0.1)\n        d.grad.zero_()\n    x = x + d.detach()\nopt.zero_grad()\nloss = criterion(net(x), y)\nloss.backward()",
    "wanted": "x.requires_grad_(x.is_floating_point())\nloss = criterion(net(x), y)\nloss.backward()\nif x.grad is not None:\n    loss = loss + x.grad.square().sum()",
    "kept data": "criterion(net(x), y).backward()\nkept = [p.data.clone() for p in net.parameters()]\nwith t.no_grad():\n    for p in net.parameters():\n        if p.grad is not None:\n            p.add_(p.grad, alpha=0.05)\nopt.zero_grad()\nloss = criterion(net(x), y)\nloss.backward()\nfor p, k in zip(net.parameters(), kept):\n    p.data = k",
    "by hand": "loss = criterion(net(x), y)\nloss.backward()\nfor p in net.parameters():\n    if p.grad is not None:\n        p.data = p.data - 0.01 * p.grad.data\n        p.grad.data.mul_(0.5)",
    "by vector": "loss = criterion(net(x), y)\nloss.backward()\nwith t.no_grad():\n    v = nn.utils.parameters_to_vector(net.parameters())\n    nn.utils.vector_to_parameters(v * 0.999 + 1e-3 * t.randn_like(v), net.parameters())",
    "rounded": "o = net(x)\nloss = criterion(o.float().to(DT), y) + o.double().square().mean().to(DT)\nloss.backward()",
    "mixed": "if x.is_floating_point():\n    order = t.randperm(len(x))\n    x = 0.7 * x + 0.3 * x[order]\no = net(x)\nloss = criterion(o, y)\nloss.backward()",
}
BEFORE = [
    "opt.zero_grad()",
    "opt.zero_grad(set_to_none=False)",
    "net.zero_grad()",
    "for p in net.parameters():\n    p.grad = None",
]
CLIPS = ["", "", "nn.utils.clip_grad_norm_(net.parameters(), 0.5)", "nn.utils.clip_grad_value_(net.parameters(), 0.05)",
         "for p in net.parameters():\n    if p.grad is not None:\n        p.grad.clamp_(-0.1, 0.1)",
         "norm = nn.utils.clip_grad_norm_([p for p in net.parameters() if p.requires_grad], 0.3, norm_type=float('inf'))",
         "for p in net.parameters():\n    if p.grad is not None:\n        p.grad.add_(p.detach(), alpha=0.01)"]  # fmt: skip
AFTER = ["", "", "", "with t.no_grad():\n    for a, b in zip(average.parameters(), net.parameters()):\n        a.lerp_(b, 0.1)",
         "with t.no_grad():\n    for a, b in zip(average.state_dict().values(), net.state_dict().values()):\n        a.copy_(0.9 * a + 0.1 * b) if a.is_floating_point() else a.copy_(b)",
         "with t.no_grad():\n    for p in net.parameters():\n        p.clamp_(-1.5, 1.5)", "total.add_(loss.detach())",
         "for p in net.parameters():\n    p.data = p.data.clamp(-1.5, 1.5)", "for p in net.parameters():\n    p.data.copy_(p.data.clamp(-1.5, 1.5))",
         "kept = [p.data for p in net.parameters()]\nfor p, a in zip(net.parameters(), average.parameters()):\n    p.data = a.data\nwith t.no_grad():\n    total.add_(net(x.detach()).mean())\nfor p, k in zip(net.parameters(), kept):\n    p.data = k",
         "t._foreach_lerp_(list(average.parameters()), [p.detach() for p in net.parameters()], 0.2)"]  # fmt: skip
EVENTS = r"""net.eval(); seen('eval', evaluate(data_x(4, 90)))\nnet.train()
kept = copy.deepcopy(net.state_dict()); keptopt = copy.deepcopy(opt.state_dict())
net.load_state_dict(kept); opt.load_state_dict(copy.deepcopy(keptopt)) if kept is not None else None
for g in opt.param_groups:\n    g['lr'] = g['lr'] * 0.5
first = next(net.parameters()); first.requires_grad_(not first.requires_grad)
net.head.weight.data.mul_(0.9)
with t.no_grad():\n    net.head.bias.zero_()
net.head = nn.Linear(net.head.in_features, 3).to(DT); opt.add_param_group({'params': list(net.head.parameters()), 'lr': 0.02})
other = copy.deepcopy(net); seen('copy', other(data_x(5, 91)))
seen('eval in training', evaluate(data_x(3, 92)))
t.manual_seed(5)
seen('drawn', t.rand(2, dtype=t.float64))
nn.init.xavier_uniform_(net.head.weight)
t.save({'net': net.state_dict(), 'opt': opt.state_dict()}, FILE); state = t.load(FILE); net.load_state_dict(state['net']); opt.load_state_dict(state['opt'])
handle = net.head.register_forward_hook(lambda m, a, o: o * 1.1)
hooked = net.head.weight.register_hook(lambda g: g * 0.5)
extra = copy.deepcopy(net); net.load_state_dict(extra.state_dict())
net.head.train(False)
seen('norm', nn.utils.parameters_to_vector(net.parameters()).norm())
opt.zero_grad(); criterion(net(data_x(2, 93)), data_y(2, 93)).backward()
[m.reset_running_stats() for m in net.modules() if hasattr(m, 'reset_running_stats')]
net.requires_grad_(True)
opt.state.clear()
net.head.weight.data = net.head.weight.data * 0.9 + 0.01
nn.utils.vector_to_parameters(nn.utils.parameters_to_vector(net.parameters()).detach() * 0.95, net.parameters())
for a, b in zip(average.parameters(), net.parameters()):\n    a.data, b.data = b.data, a.data
next(average.parameters()).data = next(net.parameters()).data
net.head.bias.data = net.head.bias.data.clone()
[setattr(m, 'p', 0.4) for m in net.modules() if isinstance(m, nn.Dropout)]
[setattr(m, 'momentum', 0.2) for m in net.modules() if isinstance(m, nn.BatchNorm1d)]"""

HEAD = """
import copy
def main(t, wrap, data, DT, FILE):
    nn, F, S = t.nn, t.nn.functional, t.optim.lr_scheduler
    checkpoint = t.utils.checkpoint.checkpoint
    weight_norm, spectral_norm = nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm
    orthogonal, register_parametrization = nn.utils.parametrizations.orthogonal, nn.utils.parametrize.register_parametrization
    class Scaled(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, k):
            ctx.k = k
            ctx.save_for_backward(x)
            return x.sin() * k
        @staticmethod
        def backward(ctx, g):
            x, = ctx.saved_tensors
            return g * x.cos() * ctx.k * 1.1, None
    class Straight(t.autograd.Function):
        generate_vmap_rule = True
        @staticmethod
        def forward(x):
            return (x * 4).round() / 4
        @staticmethod
        def setup_context(ctx, inputs, output):
            pass
        @staticmethod
        def backward(ctx, g):
            return g
    class Symmetric(nn.Module):
        def forward(self, w):
            return w.triu() + w.triu(1).mT
"""


WRAPPINGS = ["step = wrap(step)"] * 3 + ["net = wrap(net)", "criterion = wrap(criterion)"]
SETUP = """
log = []
def seen(label, x):
    log.append((label, x.detach().clone()))
t.manual_seed(3)
plain = net = Net().to(DT)
{frozen}
average, teacher = copy.deepcopy(net), copy.deepcopy(net).eval()
total = t.zeros((), dtype=DT)
opt = {optimiser}
scaler = t.amp.GradScaler('cpu', init_scale=8.0, growth_interval=2)
{schedule}
def criterion(o, y):
    return {loss}
def evaluate(x):
    with t.no_grad():
        return net(x).softmax(1)
"""
ENDING = """
for k, v in plain.state_dict().items():
    seen(k, v)
for k, p in plain.named_parameters():
    seen('grad ' + k, p.grad if p.grad is not None else t.zeros(0))
for k, v in average.state_dict().items():
    seen('average ' + k, v)
for k, s in opt.state_dict()['state'].items():
    for n, v in s.items():
        seen(f'state {k} {n}', v if t.is_tensor(v) else t.tensor(0.0 if v is None else v))
for k, g in enumerate(opt.param_groups):
    seen(f'rate {k}', t.as_tensor(g['lr']))
seen('total', total)
seen('scale', t.tensor(scaler.get_scale()))
seen('random', t.rand(3))
return log
"""
