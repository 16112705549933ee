#!/usr/bin/env python3
"""The fully connected deep ensemble in batched PyTorch: what `soret bench deep_ensemble` is compared with.

All networks of the ensemble take a step together: one batched matrix-vector product per layer forwards, one per layer
backwards, one batched rank-one update in place; no autograd. Several ensemble sizes are tried and the fastest is
reported, after the first step has been checked against autograd. Needs torch; prints JSON.

    python3 bench/peers/deep_ensemble_torch.py [--threads 2] [--quick]
"""
import argparse
import json
import statistics
import time

import torch


class Ensemble:
    """Networks of dense layers with ReLU between, logistic loss on one output, batch size 1."""

    def __init__(self, networks, widths, rate=0.05):
        self.networks, self.rate = networks, rate
        self.generator = torch.Generator().manual_seed(1)
        self.w, self.b = [], []
        for fan_in, fan_out in zip(widths, widths[1:]):
            bound = fan_in**-0.5
            self.w.append(torch.empty(networks, fan_out, fan_in).uniform_(-bound, bound, generator=self.generator))
            self.b.append(torch.empty(networks, fan_out, 1).uniform_(-bound, bound, generator=self.generator))

    def draw(self):
        inputs = self.w[0].shape[2]
        x = torch.randn(self.networks, inputs, 1, generator=self.generator)
        y = torch.randint(0, 2, (self.networks, 1, 1), generator=self.generator).float()
        return x, y

    def step(self, x, y):
        h = [x]
        for w, b in zip(self.w[:-1], self.b[:-1]):
            h.append(torch.baddbmm(b, w, h[-1]).relu_())
        d = torch.sigmoid(torch.baddbmm(self.b[-1], self.w[-1], h[-1])) - y
        for l in range(len(self.w) - 1, -1, -1):
            below = torch.bmm(self.w[l].transpose(1, 2), d) * (h[l] > 0) if l > 0 else None
            self.w[l].baddbmm_(d, h[l].transpose(1, 2), alpha=-self.rate)
            self.b[l].sub_(d, alpha=self.rate)
            d = below

    def check(self):
        """One step against autograd."""
        x, y = self.draw()
        w = [t.clone().requires_grad_() for t in self.w]
        h = x
        for l, (wl, bl) in enumerate(zip(w, self.b)):
            h = torch.baddbmm(bl, wl, h)
            if l + 1 < len(w):
                h = h.relu()
        torch.nn.functional.binary_cross_entropy_with_logits(h, y, reduction="sum").backward()
        with torch.inference_mode():
            self.step(x, y)
        for mine, theirs in zip(self.w, w):
            assert torch.allclose(mine, theirs.detach() - self.rate * theirs.grad, atol=1e-6)


@torch.inference_mode()
def run(networks, widths, steps):
    """Network-steps per second of an ensemble at batch size 1."""
    ensemble = Ensemble(networks, widths)
    for _ in range(max(1, steps // 10)):
        ensemble.step(*ensemble.draw())
    rates = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(steps):
            ensemble.step(*ensemble.draw())
        rates.append(networks * steps / (time.perf_counter() - start))
    assert all(torch.isfinite(w).all() for w in ensemble.w)
    return statistics.median(rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--quick", action="store_true", help="a tenth of the steps")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    work = 2_000 if arguments.quick else 20_000
    widths = [100] * 6 + [1]
    Ensemble(3, widths).check()
    rates = {n: run(n, widths, max(10, work // n)) for n in (2, 4, 8, 16, 64, 256)}
    best = max(rates, key=rates.get)
    print(json.dumps({"torch": torch.__version__, "threads": arguments.threads,
                      "cases": [{"network": "-".join(map(str, widths)), "batch_size": 1, "ensemble": best,
                                 "network_steps_per_second": rates[best], "by_ensemble_size": rates}]}, indent=2))


if __name__ == "__main__":
    main()
