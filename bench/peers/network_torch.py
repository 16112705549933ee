#!/usr/bin/env python3
"""Gradients and Hessian-vector products of whole networks in PyTorch: what `soret bench network` is compared with.

The same networks and batches, eager: the gradient by autograd.grad, the Hessian-vector product by differentiating it
again (which computes the gradient, too: `gradient_and_hessian_vector_ms`). Images in both memory formats; the faster
one counts. Needs torch; prints JSON.

    python3 bench/peers/network_torch.py [--threads 2]
"""
import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn


def multilayer_perceptron():
    widths = [784, 512, 256, 128, 64, 10]
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def convolutional():
    layers = []
    for inputs in (1, 10, 10, 10, 10):
        layers += [nn.Conv2d(inputs, 10, 5, padding=2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(7840, 10))


def f2():
    layers = []
    for inputs in (360, *6 * [512]):
        layers += [nn.Linear(inputs, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(512, 1973))


def c1():
    layers = []
    for inputs in (3, 64):
        layers += [nn.Conv2d(inputs, 64, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
                   nn.MaxPool2d(3, 2, 1)]
    layers.append(nn.Flatten())
    for inputs, outputs in ((256, 384), (384, 192)):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(*layers, nn.Linear(192, 10))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return F.relu(self.path(x) + self.shortcut(x))


def resnet18(width):
    layers = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    inputs = width
    for stage in range(4):
        for block in range(2):
            layers.append(Block(inputs, width << stage, 2 if stage and not block else 1))
            inputs = width << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


def median_ms(f, repeats):
    f(), f()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        f()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def measure(model, shape, batch, classes, repeats):
    """Milliseconds of a gradient, and of a gradient with a Hessian-vector product."""
    torch.manual_seed(1)
    net = model()
    x = torch.randn(batch, *shape)
    y = torch.arange(batch) % classes
    best = None
    for memory_format in (torch.contiguous_format, torch.channels_last):
        if len(shape) == 3:
            net = net.to(memory_format=memory_format)
            x = x.contiguous(memory_format=memory_format)
        elif best:
            break
        parameters = list(net.parameters())
        direction = [torch.randn_like(p) for p in parameters]

        def gradient(graph=False):
            return torch.autograd.grad(F.cross_entropy(net(x), y), parameters, create_graph=graph)

        def hessian_vector():
            return torch.autograd.grad(gradient(True), parameters, direction)

        here = {"memory_format": str(memory_format).split(".")[-1], "gradient_ms": median_ms(gradient, repeats),
                "gradient_and_hessian_vector_ms": median_ms(hessian_vector, max(3, repeats // 4))}
        if not best or here["gradient_ms"] < best["gradient_ms"]:
            best = here
    return best


CASES = (
    ("MLP-5 784-512-256-128-64-10", multilayer_perceptron, (784,), 64, 10, 300),
    ("6-conv 28x28x1, 10 channels 5x5", convolutional, (1, 28, 28), 1, 10, 200),
    ("6-conv 28x28x1, 10 channels 5x5", convolutional, (1, 28, 28), 64, 10, 20),
    ("F2 360-7x512-1973, batch norm", f2, (360,), 256, 1973, 20),
    ("C1 32x32x3", c1, (3, 32, 32), 128, 10, 20),
    ("ResNet-18 width 16", lambda: resnet18(16), (3, 32, 32), 32, 10, 10),
    ("ResNet-18 width 64", lambda: resnet18(64), (3, 32, 32), 32, 10, 4),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    cases = [{"network": name, "batch_size": batch, **measure(model, shape, batch, classes, repeats)}
             for name, model, shape, batch, classes, repeats in CASES]
    print(json.dumps({"torch": torch.__version__, "threads": threads, "cases": cases}, indent=2))


if __name__ == "__main__":
    main()
