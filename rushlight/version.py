"""torch.version: which interface is offered, and that there is no GPU."""

__version__ = "2.13.0+rushlight0.1.0"
debug = False
cuda: str | None = None
hip: str | None = None
rocm: str | None = None
xpu: str | None = None
git_version = "unknown"
