#!/usr/bin/env python3
"""The networks of the optimal-batch-size scans in PyTorch: what `soret bench optimal_batch` is compared with.

Two ways of training many seeds of 784-32-10 with softmax on a fixed set of 2,000 samples, each drawing its own order of
the set every epoch: a plain loop over seeds (nn.Sequential, cross_entropy, SGD), as everybody writes it; and all seeds
in one batched product (bmm, the gradient by hand, no autograd) at the best of several ensemble sizes. The batched step
is checked against the loop's first. With --soret PATH the bench runs in the same process, and the ratios are printed.
Needs torch; prints JSON.

    python3 bench/peers/optimal_batch_torch.py [--threads 2] [--quick] [--soret build/release/soret]
"""
import argparse
import json
import os
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F

INPUTS, WIDTH, OUTPUTS, SAMPLES, RATE = 784, 32, 10, 2000, 0.05


def training_set():
    generator = torch.Generator().manual_seed(1)
    return (torch.randn(SAMPLES, INPUTS, generator=generator),
            torch.randint(0, OUTPUTS, (SAMPLES,), generator=generator))


class Order:
    """Indices of batches without replacement, a new order every epoch; a batch may straddle two."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)
        self.left = torch.empty(0, dtype=torch.long)

    def batch(self, size):
        while len(self.left) < size:
            self.left = torch.cat([self.left, torch.randperm(SAMPLES, generator=self.generator)])
        picked, self.left = self.left[:size], self.left[size:]
        return picked


def model():
    return torch.nn.Sequential(torch.nn.Linear(INPUTS, WIDTH), torch.nn.ReLU(), torch.nn.Linear(WIDTH, OUTPUTS))


def train_one(net, x, y, order, batch, steps):
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE)
    for _ in range(steps):
        picked = order.batch(batch)
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(x[picked]), y[picked]).backward()
        optimizer.step()


class Ensemble:
    """All seeds take a step together."""

    def __init__(self, nets):
        self.w1 = torch.stack([n[0].weight.detach() for n in nets])          # [seed][hidden][inputs]
        self.b1 = torch.stack([n[0].bias.detach() for n in nets])[:, None]   # [seed][1][hidden]
        self.w2 = torch.stack([n[2].weight.detach() for n in nets])
        self.b2 = torch.stack([n[2].bias.detach() for n in nets])[:, None]

    @torch.inference_mode()
    def train(self, x, y, orders, batch, steps):
        for _ in range(steps):
            picked = torch.stack([order.batch(batch) for order in orders])
            inputs = x[picked]
            hidden = torch.baddbmm(self.b1, inputs, self.w1.transpose(1, 2)).relu_()
            d2 = torch.softmax(torch.baddbmm(self.b2, hidden, self.w2.transpose(1, 2)), 2)
            d2.scatter_add_(2, y[picked][..., None], torch.full((len(orders), batch, 1), -1.0))
            d2 /= batch
            d1 = torch.bmm(d2, self.w2) * (hidden > 0)
            self.w2.baddbmm_(d2.transpose(1, 2), hidden, alpha=-RATE)
            self.b2.sub_(d2.sum(1, keepdim=True), alpha=RATE)
            self.w1.baddbmm_(d1.transpose(1, 2), inputs, alpha=-RATE)
            self.b1.sub_(d1.sum(1, keepdim=True), alpha=RATE)


def check(x, y):
    """A few steps of the batched ensemble against the loop."""
    torch.manual_seed(7)
    nets = [model() for _ in range(3)]
    ensemble = Ensemble(nets)
    ensemble.train(x, y, [Order(s) for s in range(3)], 24, 5)
    for seed, net in enumerate(nets):
        train_one(net, x, y, Order(seed), 24, 5)
        assert torch.allclose(ensemble.w1[seed], net[0].weight, atol=1e-6)
        assert torch.allclose(ensemble.b2[seed, 0], net[2].bias, atol=1e-6)


def rate(run, networks, steps):
    run(max(1, steps // 10))
    rates = []
    for _ in range(3):
        start = time.perf_counter()
        run(steps)
        rates.append(networks * steps / (time.perf_counter() - start))
    return statistics.median(rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--quick", action="store_true", help="a tenth of the steps")
    parser.add_argument("--soret", help="a soret binary, to measure it in the same run")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    work = 200 if arguments.quick else 2000  # network-steps of a timing
    x, y = training_set()
    check(x, y)
    cases = []
    for batch in (4, 16, 64, 256):
        net, order = model(), Order(0)
        loop = rate(lambda steps: train_one(net, x, y, order, batch, steps), 1, work // 2)
        batched = {}
        for networks in (4, 16, 64):
            ensemble, orders = Ensemble([model() for _ in range(networks)]), [Order(s) for s in range(networks)]
            batched[networks] = rate(lambda steps: ensemble.train(x, y, orders, batch, steps), networks,
                                     max(3, work // networks))
        best = max(batched, key=batched.get)
        cases.append({"batch_size": batch, "loop_network_steps_per_second": loop,
                      "batched_network_steps_per_second": batched[best], "batched_ensemble": best})
    if arguments.soret:
        ours = json.loads(subprocess.run([arguments.soret, "bench", "optimal_batch", "--json"], check=True,
                                         capture_output=True,
                                         env={**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}).stdout)
        ours = ours["benches"]["optimal_batch"]
        by_batch = {c["batch_size"]: c for c in ours["cases"]}
        for case in cases:
            mine = by_batch[case["batch_size"]]
            case["soret_network_steps_per_second"] = mine["network_steps_per_second"]
            case["soret_fraction_of_fma_peak"] = mine["fraction_of_fma_peak"]
            for way in ("loop", "batched"):
                case[f"soret_over_{way}"] = (mine["network_steps_per_second"]
                                             / case[f"{way}_network_steps_per_second"])
    print(json.dumps({"torch": torch.__version__, "threads": arguments.threads,
                      "network": f"{INPUTS}-{WIDTH}-{OUTPUTS}", "cases": cases}, indent=2))


if __name__ == "__main__":
    main()
