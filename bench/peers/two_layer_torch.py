#!/usr/bin/env python3
"""The two-layer ensemble in batched PyTorch, without autograd: what `soret bench two_layer` is compared with.

All networks of the ensemble take a step together: one batched matrix-vector product, one batched rank-one update in
place. Several ensemble sizes are tried and the fastest is reported. Needs torch; prints JSON.

    python3 bench/peers/two_layer_torch.py [--threads 2]
"""
import argparse
import json
import statistics
import time

import torch


@torch.inference_mode()
def run(networks, inputs, hidden, steps, rate=0.05):
    """Network-steps per second of an ensemble at batch size 1."""
    generator = torch.Generator().manual_seed(1)
    bound_w, bound_v = inputs**-0.5, hidden**-0.5
    w = torch.empty(networks, hidden, inputs).uniform_(-bound_w, bound_w, generator=generator)
    b = torch.empty(networks, hidden).uniform_(-bound_w, bound_w, generator=generator)
    v = torch.empty(networks, hidden).uniform_(-bound_v, bound_v, generator=generator)

    def step():
        x = torch.randn(networks, inputs, generator=generator)
        y = torch.randint(0, 2, (networks,), generator=generator).float()
        u = torch.baddbmm(b.unsqueeze(2), w, x.unsqueeze(2)).squeeze(2)
        h = torch.relu(u)
        d = torch.sigmoid((v * h).sum(1)) - y
        a = (d.unsqueeze(1) * v) * (u > 0)
        w.baddbmm_(a.unsqueeze(2), x.unsqueeze(1), alpha=-rate)
        b.sub_(a, alpha=rate)
        v.addcmul_(d.unsqueeze(1), h, value=-rate)

    for _ in range(max(1, steps // 10)):
        step()
    rates = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        rates.append(networks * steps / (time.perf_counter() - start))
    assert torch.isfinite(w).all()
    return statistics.median(rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    cases = []
    for inputs, hidden, sizes, work in ((10, 10, (64, 512, 4096, 32768), 2_000_000), (100, 100, (16, 64, 256, 1024), 50_000)):
        rates = {n: run(n, inputs, hidden, max(10, work // n)) for n in sizes}
        best = max(rates, key=rates.get)
        cases.append({"network": f"{inputs}-{hidden}-1", "batch_size": 1, "ensemble": best,
                      "network_steps_per_second": rates[best]})
    print(json.dumps({"torch": torch.__version__, "threads": threads, "cases": cases}, indent=2))


if __name__ == "__main__":
    main()
