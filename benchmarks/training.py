"""Training steps beside torch's: `python benchmarks/training.py [CASES] [--threads N]`.

Cases: a b c lenet rnn gru lstm (the last three forward and backward alone).

A step is zero_grad, forward, loss, backward and SGD, as a user writes it. With one thread the time
is process time, interleaved; with more it is wall time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any


def step_of(t: Any, net: Any, loss: Any, x: Any, y: Any, lr: float = 0.01) -> Callable[[], Any]:
    opt = t.optim.SGD(net.parameters(), lr=lr)

    def step() -> None:
        opt.zero_grad()
        loss(net(x), y).backward()
        opt.step()

    return step


def linear_regression(t: Any) -> Callable[[], Any]:
    t.manual_seed(0)
    return step_of(t, t.nn.Linear(2, 1), t.nn.MSELoss(), t.randn(10, 2), t.randn(10, 1))


def _classes(t: Any, *shape: int) -> tuple[Any, Any]:
    return t.randn(256, *shape), t.randint(0, 10, (256,))


def softmax_regression(t: Any) -> Callable[[], Any]:
    t.manual_seed(0)
    return step_of(t, t.nn.Linear(784, 10), t.nn.CrossEntropyLoss(), *_classes(t, 784))


def mlp(t: Any) -> Callable[[], Any]:
    t.manual_seed(0)
    n = t.nn
    net = n.Sequential(n.Linear(784, 256), n.ReLU(), n.Linear(256, 10))
    return step_of(t, net, n.CrossEntropyLoss(), *_classes(t, 784))


def lenet_net(t: Any) -> Any:
    n = t.nn
    return n.Sequential(
        n.Conv2d(1, 6, 5, padding=2),
        n.ReLU(),
        n.MaxPool2d(2),
        n.Conv2d(6, 16, 5),
        n.ReLU(),
        n.MaxPool2d(2),
        n.Flatten(),
        n.Linear(400, 120),
        n.ReLU(),
        n.Linear(120, 84),
        n.ReLU(),
        n.Linear(84, 10),
    )


def lenet(t: Any) -> Callable[[], Any]:
    t.manual_seed(0)
    return step_of(t, lenet_net(t), t.nn.CrossEntropyLoss(), *_classes(t, 1, 28, 28))


def recurrent(kind: str) -> Callable[[Any], Callable[[], Any]]:
    """A language model's step: one-hot characters in, forward and backward through one layer."""

    def build(t: Any) -> Callable[[], Any]:
        t.manual_seed(0)
        net = getattr(t.nn, kind)(28, 256)
        characters = t.nn.functional.one_hot(t.randint(0, 28, (35, 32)), 28).float()

        def step() -> None:
            for weight in net.parameters():
                weight.grad = None
            net(characters)[0].sum().backward()

        return step

    return build


STEPS = {"a": linear_regression, "b": softmax_regression, "c": mlp, "lenet": lenet}
STEPS |= {kind.lower(): recurrent(kind) for kind in ("RNN", "GRU", "LSTM")}
TITLES = {
    "a": "a linear regression, 2 features, batch 10",
    "b": "b softmax regression 784-10, batch 256",
    "c": "c MLP 784-256-10, batch 256",
    "lenet": "d LeNet, batch 256, 28x28",
    "rnn": "f RNN, hidden 256, 35 steps, batch 32",
    "gru": "f GRU, hidden 256, 35 steps, batch 32",
    "lstm": "f LSTM, hidden 256, 35 steps, batch 32",
}


def peak(framework: str, case: str) -> float:
    """Peak resident MiB of 20 steps in a process of its own (the kernel's high-water mark)."""
    code = (
        "import sys; sys.path[:0] = ['benchmarks', '.']; import training\n"
        f"import {framework} as t\n"
        f"step = training.STEPS['{case}'](t)\n"
        "for _ in range(20): step()\n"
        "line, = (l for l in open('/proc/self/status') if l.startswith('VmHWM'))\n"
        "print(int(line.split()[1]) / 1024)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(found.stdout.split()[0])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", default=list(STEPS))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    for name in names:
        if os.environ.get(name) != str(options.threads):
            environment = {**os.environ, **dict.fromkeys(names, str(options.threads))}
            os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    import timing
    import torch

    import rushlight

    torch.set_num_threads(options.threads)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    for case in options.cases:
        steps = {"rushlight": STEPS[case](rushlight), "torch": STEPS[case](torch)}
        timing.show(TITLES[case], timing.interleaved(steps, clock=clock))
        print(
            f"    peak memory MiB: rushlight {peak('rushlight', case):.0f},"
            f" torch {peak('torch', case):.0f}"
        )


if __name__ == "__main__":
    main()
