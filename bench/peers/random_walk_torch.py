#!/usr/bin/env python3
"""The binary walk with g = 1 + 0.5 sin(2 pi q) on a ring, as PyTorch would run it in float32.

What the first case of `soret bench random_walk` is compared with. All walkers take a step together, every operation in
place; signs are drawn for 64 steps at a time. Several ensemble sizes are tried and the fastest is reported. Needs torch;
prints JSON.

    python3 bench/peers/random_walk_torch.py [--threads 2]
"""
import argparse
import json
import statistics
import time

import torch

SIZES = (1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20)
WORK = 1 << 25  # walker-steps per timing
ETA = 0.02


@torch.inference_mode()
def rate(walkers):
    """Walker-steps per second of all threads."""
    generator = torch.Generator().manual_seed(1)
    q = torch.rand(walkers, generator=generator)
    step = torch.empty_like(q)
    signs = torch.empty(64, walkers)
    steps = max(64, WORK // walkers // 64 * 64)

    def sixty_four_steps():
        signs.random_(2, generator=generator).mul_(2 * ETA).sub_(ETA)
        for sign in signs:
            torch.mul(q, 2 * torch.pi, out=step)
            step.sin_().mul_(0.5).add_(1)
            q.addcmul_(sign, step)
            torch.floor(q, out=step)
            q.sub_(step)

    sixty_four_steps()
    rates = []
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(steps // 64):
            sixty_four_steps()
        rates.append(walkers * steps / (time.perf_counter() - start))
    assert torch.all((q >= 0) & (q <= 1))
    return statistics.median(rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    rates = {n: rate(n) for n in SIZES}
    best = max(rates, key=rates.get)
    print(json.dumps({"torch": torch.__version__, "threads": threads, "walkers": best,
                      "walker_steps_per_second": rates[best]}, indent=2))


if __name__ == "__main__":
    main()
