"""Training runs from one seed whose loss curves both frameworks must share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

STEPS = 24


def regression_data(torch: Any) -> tuple[Any, Any]:
    """A linear relation, without chance."""
    x = torch.sin(torch.arange(160.0).reshape(40, 4) * 1.7)
    return x, x @ torch.tensor([[2.0], [-3.4], [0.5], [1.0]]) + 4.2


def label_data(torch: Any) -> tuple[Any, Any]:
    """Three classes that lie apart on waves."""
    x = torch.cos(torch.arange(320.0).reshape(40, 8) * 0.9)
    return x, (x[:, :3] + x[:, 3:6]).argmax(1)


def image_data(torch: Any) -> tuple[Any, Any]:
    """Small grey pictures, labelled by their brightest quarter."""
    x = torch.sin(torch.arange(32 * 144.0).reshape(32, 1, 12, 12) * 0.37)
    quarters = torch.nn.functional.avg_pool2d(x, 6).flatten(1)
    return x, quarters.argmax(1)


def linear(nn: Any) -> Any:
    return nn.Linear(4, 1)


def mlp(nn: Any) -> Any:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


def deep(nn: Any) -> Any:
    return nn.Sequential(
        nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 16), nn.LayerNorm(16),
        nn.GELU(), nn.Linear(16, 3),
    )  # fmt: skip


def dropped(nn: Any) -> Any:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))


def lenet(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.Sigmoid(), nn.AvgPool2d(2), nn.Conv2d(4, 6, 3),
        nn.Sigmoid(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(24, 16), nn.Sigmoid(),
        nn.Linear(16, 4),
    )  # fmt: skip


def normed(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.2),
        nn.Flatten(), nn.Linear(100, 4),
    )  # fmt: skip


def recurrent(nn: Any) -> Any:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.out = nn.LSTM(2, 8, batch_first=True), nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            return self.out(self.rnn(x.reshape(len(x), 4, 2))[0][:, -1])

    return Last()


def attentive(nn: Any) -> Any:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lift = nn.Linear(2, 8)
            self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
            self.out = nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            return self.out(self.layer(self.lift(x.reshape(len(x), 4, 2))).mean(1))

    return Mixed()


Model = Callable[[Any], Any]
MODELS: dict[str, tuple[Model, Callable[[Any], tuple[Any, Any]], str]] = {
    "linear": (linear, regression_data, "mse_loss"),
    "mlp": (mlp, label_data, "cross_entropy"),
    "deep": (deep, label_data, "cross_entropy"),
    "dropped": (dropped, label_data, "cross_entropy"),
    "lenet": (lenet, image_data, "cross_entropy"),
    "normed": (normed, image_data, "cross_entropy"),
    "recurrent": (recurrent, label_data, "cross_entropy"),
    "attentive": (attentive, label_data, "cross_entropy"),
}
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 0.1}),
    "momentum": ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3}),
    "adam": ("Adam", {"lr": 0.01}),
    "adamw": ("AdamW", {"lr": 0.01, "weight_decay": 0.1}),
}
CURVES = [f"{model}-{optimizer}" for model in MODELS for optimizer in OPTIMIZERS]


def losses(name: str, torch: Any) -> list[float]:
    """The loss of every step, with a shuffled loader and a schedule."""
    model, optimizer = name.split("-")
    build, data, criterion = MODELS[model]
    torch.manual_seed(42)
    dataset = torch.utils.data.TensorDataset(*data(torch))
    loader = torch.utils.data.DataLoader(dataset, batch_size=8, shuffle=True)
    net = build(torch.nn)
    kind, options = OPTIMIZERS[optimizer]
    trainer = getattr(torch.optim, kind)(net.parameters(), **options)
    schedule = torch.optim.lr_scheduler.StepLR(trainer, step_size=2, gamma=0.5)
    loss_of = getattr(torch.nn.functional, criterion)
    found: list[float] = []
    while len(found) < STEPS:
        for x, y in loader:
            loss = loss_of(net(x), y)
            trainer.zero_grad()
            loss.backward()
            trainer.step()
            found.append(loss.item())
        schedule.step()
    return found[:STEPS]
