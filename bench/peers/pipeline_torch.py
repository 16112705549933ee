#!/usr/bin/env python3
"""Penalised gradients of ResNet-18 in PyTorch: what `soret bench pipeline` is compared with.

The same network and batch, eager: the gradient of the loss L; of L + lambda |grad L|^2 by double backward (grad with
create_graph, the sum of squares, grad of the total), by differences of gradients at two places, and of the penalty on
labels drawn from the model. Images in both memory formats; the faster one counts. Peak memory is the growth of the
resident size over that with network and images, of one process per number. Needs torch; prints JSON.

Double backward makes and gives back tensors by the gigabyte. Where the system hands out new pages slowly, that is
most of its time; --keep-memory has the C library keep what it got (MALLOC_* below), for a fairer comparison of speed.

    python3 bench/peers/pipeline_torch.py [--threads 2] [--keep-memory]
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

from network_torch import resnet18

WIDTH, BATCH, STRENGTH, DIFFERENCE_STEP = 64, 32, 0.01, 1e-3
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
KEEP = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(1 << 28)}


def problem(memory_format):
    torch.manual_seed(1)
    net = resnet18(WIDTH).to(memory_format=FORMATS[memory_format])
    x = torch.randn(BATCH, 3, 32, 32).contiguous(memory_format=FORMATS[memory_format])
    return net, x, torch.arange(BATCH) % 10


def methods(net, x, y):
    parameters = list(net.parameters())

    def gradient():
        return torch.autograd.grad(F.cross_entropy(net(x), y), parameters)

    def penalised(scalar, loss):
        g = torch.autograd.grad(scalar, parameters, create_graph=True)
        return torch.autograd.grad(loss + STRENGTH * sum((a * a).sum() for a in g), parameters)

    def gradient_norm():
        loss = F.cross_entropy(net(x), y)
        return penalised(loss, loss)

    def fisher_trace():
        z = net(x)
        drawn = torch.multinomial(z.detach().softmax(1), 1)[:, 0]
        return penalised(F.cross_entropy(z, drawn), F.cross_entropy(z, y))

    def gradient_norm_by_differences():
        def norm(vectors):
            return sum((a * a).sum() for a in vectors).sqrt()

        g = gradient()
        with torch.no_grad():
            step = (DIFFERENCE_STEP * (1 + norm(parameters)) / norm(g)).item()
            torch._foreach_add_(parameters, g, alpha=step)
        ahead = gradient()
        with torch.no_grad():
            torch._foreach_sub_(parameters, g, alpha=step)
            share = 2 * STRENGTH / step
            torch._foreach_mul_(ahead, share)
            torch._foreach_add_(ahead, g, alpha=1 - share)
        return ahead

    return {f.__name__: f for f in (gradient, gradient_norm, gradient_norm_by_differences, fisher_trace)}


def status(key):
    with open("/proc/self/status") as lines:
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(key))


def peak_growth(memory_format, method):
    """In this process: bytes over what it holds before, in the course of three calls."""
    net, x, y = problem(memory_format)
    small = resnet18(4)  # loads what is loaded late
    torch.autograd.grad(F.cross_entropy(small(x[:2]), y[:2]), list(small.parameters()))
    f = methods(net, x, y)[method]
    before = status("VmRSS")
    peaks = []
    for _ in range(3):
        f()
        peaks.append(status("VmHWM") - before)
    return peaks


def speed(memory_format, repeats):
    """Milliseconds, of the methods in turn."""
    all_methods = methods(*problem(memory_format))
    times = {name: [] for name in all_methods}
    for f in all_methods.values():
        f()
    for _ in range(repeats):
        for name, f in all_methods.items():
            start = time.perf_counter()
            f()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(t) for name, t in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--keep-memory", action="store_true")
    parser.add_argument("--memory", nargs=2, metavar=("FORMAT", "METHOD"), help="the peak of one method alone")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory:
        print(json.dumps(peak_growth(*arguments.memory)))
        return
    if arguments.keep_memory and "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEEP})
    plain = {k: v for k, v in os.environ.items() if k not in KEEP}

    def memory(memory_format, method):
        command = [sys.executable, __file__, "--threads", str(arguments.threads), "--memory", memory_format, method]
        return json.loads(subprocess.run(command, env=plain, check=True, capture_output=True).stdout)

    print(json.dumps({
        "torch": torch.__version__, "threads": arguments.threads, "network": f"ResNet-18 width {WIDTH}",
        "micro_batch_size": BATCH, "keep_memory": arguments.keep_memory,
        "ms": {f: speed(f, arguments.repeats) for f in FORMATS},
        "peak_memory_growth_bytes_after_1_2_3_calls": {
            f: {m: memory(f, m) for m in ("gradient", "gradient_norm")} for f in FORMATS},
    }, indent=2))


if __name__ == "__main__":
    main()
