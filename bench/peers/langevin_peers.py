#!/usr/bin/env python3
"""Euler-Maruyama in the double well l(w) = (w^2 - 1)^2, as NumPy and PyTorch float32 would run it.

What `soret bench langevin` is compared with in its first case. Updates are in place, several ensemble sizes are tried and
the fastest is reported. NumPy runs one process per thread. Needs numpy, torch; prints JSON.

    python3 bench/peers/langevin_peers.py [--threads 2]
"""
import argparse
import json
import multiprocessing
import statistics
import time

import numpy as np
import torch

STEP = 0.01
TEMPERATURE = 0.25
KICK = (2 * TEMPERATURE * STEP) ** 0.5
SIZES = (1 << 12, 1 << 14, 1 << 16, 1 << 18)
WORK = 1 << 24


def numpy_rate(walkers):
    """Walker-steps per second of one process."""
    random = np.random.Generator(np.random.SFC64(1))
    w = np.full(walkers, 0.1, np.float32)
    z, g = np.empty_like(w), np.empty_like(w)
    steps = max(2, WORK // walkers)

    def step():
        np.multiply(w, w, out=g)
        np.subtract(g, np.float32(1), out=g)
        np.multiply(g, w, out=g)
        np.multiply(g, np.float32(4 * STEP), out=g)
        np.subtract(w, g, out=w)
        random.standard_normal(out=z, dtype=np.float32)
        np.multiply(z, np.float32(KICK), out=z)
        np.add(w, z, out=w)

    return timed(step, walkers, steps, lambda: np.isfinite(w).all())


def timed(step, walkers, steps, sane):
    step()
    rates = []
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        rates.append(walkers * steps / (time.perf_counter() - start))
    assert sane()
    return statistics.median(rates)


@torch.inference_mode()
def torch_rate(walkers):
    """Walker-steps per second on all threads."""
    generator = torch.Generator().manual_seed(1)
    w = torch.full((walkers,), 0.1)
    z, g = torch.empty_like(w), torch.empty_like(w)
    steps = max(2, WORK // walkers)

    def step():
        torch.mul(w, w, out=g)
        g.sub_(1).mul_(w)
        w.sub_(g, alpha=4 * STEP)
        z.normal_(generator=generator)
        w.add_(z, alpha=KICK)

    return timed(step, walkers, steps, lambda: torch.isfinite(w).all())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=multiprocessing.cpu_count())
    threads = parser.parse_args().threads
    with multiprocessing.Pool(threads) as pool:
        numpy_rates = {n: sum(pool.map(numpy_rate, [n] * threads, chunksize=1)) for n in SIZES}
    torch.set_num_threads(threads)
    torch_rates = {n: torch_rate(n) for n in SIZES}
    peers = {"numpy": max(numpy_rates.values()), "torch": max(torch_rates.values())}
    print(json.dumps({"numpy": np.__version__, "torch": torch.__version__, "threads": threads,
                      "walker_steps_per_second": peers, "best": max(peers.values())}, indent=2))


if __name__ == "__main__":
    main()
