"""Networks in use, beside torch and ONNX Runtime: time of one image, images per second of many.

    python benchmarks/inference.py [lenet resnet ...] [--batch 1 64] [--threads N] [--rounds N]

Without names LeNet and ResNet-18 on one channel run; the others are those of vision.models.

All contenders have the same weights and must give the same numbers. ONNX Runtime gets the graph
that torch exports, batch norms folded. With one thread times are process time, medians of
interleaved rounds; with more it is wall time, of the rounds that no other process disturbed.
"""

from __future__ import annotations

import argparse
import functools
import io
import time
from collections.abc import Callable
from typing import Any

import models
import numpy as np
from cases import lenet, resnet
from timing import measured, with_threads

import rushlight

NETS: dict[str, tuple[Any, tuple[int, ...], str]] = {
    "lenet": (lenet, (1, 28, 28), "LeNet, 28x28"),
    "resnet": (resnet, (1, 96, 96), "ResNet-18, one channel, 96x96"),
}
LARGE = ("resnet18", "resnet50", "mobilenet_v2", "vgg11", "alexnet", "googlenet", "densenet121")
USUAL = tuple(NETS)
for word in LARGE:
    NETS[word] = functools.partial(models.make, word), (3, 224, 224), f"{word}, 224x224"
COLUMNS = ("compiled", "eager", "torch", "torch.compile", "ONNX Runtime")
Call = Callable[[], np.ndarray]


def numbers(make: Any) -> dict[str, np.ndarray]:
    """Weights that keep the size of values, statistics of batch norms that do something."""
    rushlight.manual_seed(0)
    draw, found = np.random.default_rng(0), {}
    for name, value in make(rushlight).state_dict().items():
        array = value.detach().numpy()
        if "running" in name:
            array = draw.uniform(0.5, 1.5, array.shape).astype(np.float32)
        found[name] = array
    return found


def network(t: Any, make: Any, values: dict[str, np.ndarray]) -> Any:
    net = make(t).eval()
    net.load_state_dict({name: t.tensor(value) for name, value in values.items()})
    return net


def ours(net: Any, x: Any, compiled: bool) -> Call:
    def infer(x: Any) -> Any:
        with rushlight.no_grad():
            return net(x)

    call = rushlight.compile(infer, fullgraph=True) if compiled else infer
    return lambda: call(x).numpy()


def theirs(torch: Any, net: Any, x: Any, compiled: bool) -> Call:
    call = torch.compile(net) if compiled else net

    def infer() -> np.ndarray:
        with torch.inference_mode():
            return call(x).numpy()

    return infer


def runtime(torch: Any, net: Any, x: Any, threads: int) -> Call:
    import onnxruntime

    file = io.BytesIO()
    torch.onnx.export(net, (x,), file, input_names=["x"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session: Any = onnxruntime.InferenceSession(
        file.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    array = x.numpy()
    return lambda: session.run(None, {"x": array})[0]


def contenders(name: str, batch: int, options: argparse.Namespace) -> dict[str, Call]:
    make, size, _ = NETS[name]
    values = numbers(make)
    x = np.random.default_rng(1).standard_normal((batch, *size)).astype(np.float32)
    net = network(rushlight, make, values)
    found = {word: ours(net, rushlight.tensor(x), word == "compiled") for word in COLUMNS[:2]}
    try:
        import torch
    except ImportError:
        return found
    torch.set_num_threads(options.threads)
    net, given = network(torch, make, values), torch.tensor(x)
    found["torch"] = theirs(torch, net, given, False)
    if options.slow:
        found["torch.compile"] = theirs(torch, net, given, True)
    try:
        found["ONNX Runtime"] = runtime(torch, net, given, options.threads)
    except ImportError as error:
        print(f"no ONNX Runtime: {error}")
    return found


def differences(calls: dict[str, Call]) -> list[str]:
    """Contenders whose answer is not that of the first."""
    first, *others = calls.items()
    wanted = first[1]()
    size = float(np.abs(wanted).max())
    return [
        f"WRONG: {name} is not {first[0]}" for name, call in others
        if not np.allclose(call(), wanted, rtol=1e-3, atol=1e-4 * size)
    ]  # fmt: skip


def row(name: str, batch: int, times: dict[str, float]) -> str:
    peers = [seconds for word, seconds in times.items() if word not in COLUMNS[:2]]
    cells = [f"{NETS[name][2]}, batch {batch}"]
    for word in COLUMNS:
        seconds = times.get(word)
        per = "" if seconds is None else f"{seconds * 1e3:.3f} ms"
        many = f", {batch / seconds:.0f}/s" if seconds and batch > 1 else ""
        cells.append(per + many)
    cells.append(f"**{min(peers) / times['compiled']:.2f}x**" if peers else "")
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("nets", nargs="*", help=f"of {' '.join(NETS)}")
    parser.add_argument("--batch", type=int, nargs="*", default=[1, 64])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--slow", action="store_true", help="torch.compile too, a minute or more")
    options = parser.parse_args()
    with_threads(options.threads)
    rushlight.set_num_threads(options.threads)
    heads = ["network", *COLUMNS, "best peer over compiled"]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads), flush=True)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    for name in options.nets or USUAL:
        for batch in options.batch:
            calls = contenders(name, batch, options)
            notes = differences(calls)
            times, clean = measured(calls, options.rounds, 0.05, clock)
            print(row(name, batch, times), flush=True)
            print(*notes, f"{clean} of {options.rounds} rounds undisturbed", sep="\n", flush=True)


if __name__ == "__main__":
    main()
