#!/usr/bin/env python3
"""The binary walk with g = 1 + 0.5 sin(2 pi q) on a ring, as NumPy would run it in float32.

What the first case of `soret bench random_walk` is compared with. All walkers take a step together, every operation in
place; each random 64-bit word gives 64 signs. Several ensemble sizes are tried and the fastest is reported. One process
per thread. Needs numpy; prints JSON.

    python3 bench/peers/random_walk_numpy.py [--threads 2]
"""
import argparse
import json
import multiprocessing
import statistics
import time

import numpy as np

SIZES = (1 << 11, 1 << 13, 1 << 15, 1 << 17)
WORK = 1 << 25  # walker-steps per timing
ETA = np.float32(0.02)
TURN = np.float32(2 * np.pi)


def rate(walkers):
    """Walker-steps per second of one process."""
    random = np.random.Generator(np.random.SFC64(1))
    q = random.random(walkers, dtype=np.float32)
    step = np.empty_like(q)
    steps = max(64, WORK // walkers // 64 * 64)

    def sixty_four_steps():
        words = random.integers(0, 2**64, size=walkers, dtype=np.uint64)
        signs = np.unpackbits(words.view(np.uint8)).reshape(64, walkers).view(np.int8)
        signs <<= 1
        signs -= 1
        for sign in signs:
            np.multiply(q, TURN, out=step)
            np.sin(step, out=step)
            np.multiply(step, np.float32(0.5) * ETA, out=step)
            np.add(step, ETA, out=step)
            np.multiply(step, sign, out=step)
            np.subtract(q, step, out=q)
            np.floor(q, out=step)
            np.subtract(q, step, out=q)

    sixty_four_steps()
    rates = []
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(steps // 64):
            sixty_four_steps()
        rates.append(walkers * steps / (time.perf_counter() - start))
    assert np.all((q >= 0) & (q <= 1))
    return statistics.median(rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=multiprocessing.cpu_count())
    threads = parser.parse_args().threads
    with multiprocessing.Pool(threads) as pool:
        rates = {n: sum(pool.map(rate, [n] * threads, chunksize=1)) for n in SIZES}
    best = max(rates, key=rates.get)
    print(json.dumps({"numpy": np.__version__, "threads": threads, "walkers_per_thread": best,
                      "walker_steps_per_second": rates[best]}, indent=2))


if __name__ == "__main__":
    main()
