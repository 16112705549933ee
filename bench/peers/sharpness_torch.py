#!/usr/bin/env python3
"""Hessian-vector products over a data set in PyTorch: what `soret bench sharpness` is compared with.

The same networks and numbers of samples, in evaluation mode: the mean loss is differentiated twice, batch after batch with the
graph of the gradient made anew for every product ("anew": the way of the usual tools), or in one batch whose graph is retained between
products ("retained"); of either, the fastest of two memory formats and several batch sizes. "product_ms" is the faster way's. The time of an eigenvalue search is that of its products: give how many Soret's
took. Needs torch; prints JSON.

    python3 bench/peers/sharpness_torch.py [--threads 2] [--products 60]
"""
import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F

from network_torch import c1, multilayer_perceptron, resnet18


def median_ms(f, repeats):
    """Of wall time, and of processor time over all threads."""
    f()
    times = []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        f()
        times.append((1e3 * (time.perf_counter() - start[0]), 1e3 * (time.process_time() - start[1])))
    return [statistics.median(t) for t in zip(*times)]


def measure(model, shape, samples, batches, repeats):
    """Milliseconds of one product over all samples."""
    torch.manual_seed(1)
    net = model().eval()
    x = torch.randn(samples, *shape)
    y = torch.arange(samples) % 10
    best = {}
    for memory_format in (torch.contiguous_format, torch.channels_last):
        if len(shape) == 3:
            net = net.to(memory_format=memory_format)
            x = x.contiguous(memory_format=memory_format)
        elif memory_format == torch.channels_last:
            break
        parameters = list(net.parameters())
        direction = [torch.randn_like(p) for p in parameters]

        def gradient(part):
            loss = F.cross_entropy(net(x[part]), y[part], reduction="sum") / samples
            return torch.autograd.grad(loss, parameters, create_graph=True)

        for batch in (*batches, 0):
            retained = gradient(slice(None)) if batch == 0 else None

            def product():
                if retained:
                    return torch.autograd.grad(retained, parameters, direction, retain_graph=True)
                total = [torch.zeros_like(p) for p in parameters]
                for first in range(0, samples, batch):
                    part = gradient(slice(first, first + batch))
                    for t, h in zip(total, torch.autograd.grad(part, parameters, direction)):
                        t += h
                return total

            wall, processor = median_ms(product, repeats)
            way = "retained" if retained else "anew"
            if way not in best or wall < best[way]["product_ms"]:
                best[way] = {"memory_format": str(memory_format).split(".")[-1], "batch": batch or samples,
                             "product_ms": wall, "product_processor_ms": processor}
    return {"product_ms": min(way["product_ms"] for way in best.values()), **best}


CASES = (
    ("MLP-5 784-512-256-128-64-10", multilayer_perceptron, (784,), 1000, (125, 500, 1000), 30),
    ("C1 32x32x3", c1, (3, 32, 32), 500, (50, 125, 500), 7),
    ("ResNet-18 width 16", lambda: resnet18(16), (3, 32, 32), 100, (25, 50, 100), 5),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--products", type=int, default=0, help="of the eigenvalue search on 1,000 images")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = [{"network": name, "samples": samples, **measure(model, shape, samples, batches, repeats)}
               for name, model, shape, samples, batches, repeats in CASES]
    eigenvalues = {"products": arguments.products,
                   "seconds": 1e-3 * arguments.products * 1000 / results[-1]["samples"] * results[-1]["product_ms"]}
    print(json.dumps({"torch": torch.__version__, "threads": arguments.threads, "products": results,
                      "eigenvalues": eigenvalues}, indent=2))


if __name__ == "__main__":
    main()
