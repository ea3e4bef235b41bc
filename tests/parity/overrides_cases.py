"""Calls, and what a `__torch_function__` is told of them; shared by the recorder and the test."""

from __future__ import annotations

import warnings
from typing import Any

CALLS = """
x+1; 1+x; y+x; x-1; 1-x; 1/x; x/y; x@y; y@x; torch.add(x,1,alpha=2); torch.add(input=x,other=y)
x.add(y,alpha=2); x.add_(1); x.sum(0,keepdim=True); torch.sum(x,dim=0); x[0]; x==y; x!=1; -x; abs(x)
x**2; 2**x; x//1; x%2; x.T; x.shape; x.grad; x.dtype; x.device; x.requires_grad; x.is_leaf; x.ndim
x.data; F.linear(x,y); F.relu(x); torch.relu(x); F.softmax(x,-1); torch.cat([x,y]); x.size()
F.cross_entropy(x,c); F.conv2d(x[None,None],y[None,None]); torch.stack((y,x),1); y.add(x,alpha=2)
torch.einsum('ij,jk->ik',x,y); torch.zeros_like(x); x.new_zeros(2); x.to(torch.float64); x.float()
len(x); float(x[0,0]); bool(x[0,0]>0); x.dim(); x.detach(); x.clone(); x.tolist(); x[0,0].item()
x.view(4); x.reshape(-1); torch.where(x>0,x,y); y.copy_(x) is None; torch.fft.fft(x)
torch.linalg.norm(x)
torch.special.expit(x); torch.max(x); torch.max(x,0); x.split(1); torch.split(x,1); torch.unique(x)
x.norm(); torch.norm(x); x<y; ~(x>0); x.__contains__(1); x.unbind(0); torch.nn.init.zeros_(x)
F.dropout(x,0.5); torch.nn.Linear(2,2)(x); torch.numel(x); x.numel(); x.stride(); x.is_contiguous()
x.is_floating_point(); torch.is_floating_point(x); x.cpu(); torch.allclose(x,x); torch.equal(x,x)
torch.broadcast_tensors(x,y); torch.meshgrid(x[0],y[0],indexing='ij'); F.gelu(x); F.pad(x,(1,1))
F.interpolate(x[None,None],scale_factor=2); F.mse_loss(x,y); F.layer_norm(x,(2,)); F.embedding(c,x)
F.max_pool2d(x[None],2); torch.max_pool2d(x[None],2); torch.layer_norm(x,(2,)); torch.mean(d)
torch.add(d,y); y+d; y@d; y.matmul(d); F.relu(d); torch.zeros_like(d); torch.mul(d,3); y.sub(d)
torch.cat([y,d]); torch.std(d); y.add(d,alpha=2); torch.linalg.svd(d); torch.exp(d); y*d; d in [1,d]
torch.overrides.is_tensor_like(d); torch.overrides.has_torch_function((x,)); x is None; x==None
torch.overrides.has_torch_function((y,1)); torch.overrides.handle_torch_function(len,(y,d),y,d)
""".replace("\n", ";").split(";")
MODE = """
y*2; 2*y; (y*2).sum(); y.shape; torch.tensor([1.0]); torch.manual_seed(0); F.cross_entropy(y,c)
torch.std(y); y==None; torch.ones(2,dtype=torch.int64); torch.nn.init.constant_(y,1.0); y.exp_()
torch.einsum('ij,ij->',y,y); torch.is_grad_enabled(); y-y; torch.zeros(2).numpy(); torch.eye(2)@y
""".replace("\n", ";").split(";")


def answers(torch: Any) -> dict[str, Any]:
    """What each call gives, and the functions its handlers were asked for."""
    warnings.simplefilter("ignore")
    log: list[str] = []
    busy: list[bool] = []

    def tensors(value: Any) -> list[str]:
        if isinstance(value, (tuple, list)):
            return [name for one in value for name in tensors(one)]
        like = isinstance(value, torch.Tensor) or type(value).__name__ == "Duck"
        return [type(value).__name__] if like else []

    def note(func: Any, args: Any, kwargs: Any) -> None:
        if not busy:
            busy.append(True)
            given = tensors((*args, *(kwargs or {}).values()))
            log.append(f"{torch.overrides.resolve_name(func)} {' '.join(given)}")
            busy.clear()

    class Duck:
        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            note(func, args, kwargs)
            return "quack"

    class Sub(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            note(func, args, kwargs)
            return super().__torch_function__(func, types, args, kwargs)

    class Mode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            note(func, args, kwargs)
            return func(*args, **(kwargs or {}))

    def ask(call: str) -> Any:
        y, c = torch.full((2, 2), 0.5), torch.tensor([0, 1])
        names = {"torch": torch, "F": torch.nn.functional, "y": y, "c": c, "d": Duck()}
        names["x"] = torch.full((2, 2), 0.25).as_subclass(Sub)
        log.clear()
        busy.clear()
        result = eval(call, names)
        return [type(result).__name__, *log]

    found = {call: ask(call) for call in map(str.strip, CALLS) if call}
    for call in map(str.strip, MODE):
        if call:
            code, names = call, {"torch": torch, "F": torch.nn.functional}
            names["y"], names["c"] = torch.full((2, 2), 0.5), torch.tensor([0, 1])
            log.clear()
            with Mode():
                eval(code, names)
            found[f"mode: {call}"] = log[:]
    return found
