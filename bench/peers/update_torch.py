#!/usr/bin/env python3
"""Redoes one update of a training run by double backward in PyTorch and compares it with Soret's.

    soret run CONFIG --set checkpoint.keep=final -o run.h5
    soret update run.h5.checkpoints/point0-run0.h5 --precision double -o update.h5
    python3 bench/peers/update_torch.py run.h5.checkpoints/point0-run0.h5 update.h5

Penalties (Novack et al., Eqs. 1 to 7), grafting (Eq. 8), normalised gradient descent and injected noise, with plain SGD or
heavy ball. Prints the largest deviation of the gradient and of the step, over their largest entries. Needs torch, h5py.
"""
import argparse
import json
import math

import h5py
import torch

from gradient_torch import Model


def scalar(model, w, x, labels, update, part, drawn, directions):
    """Whose squared gradient norm is penalised on one micro-batch."""
    kind = update.attrs["penalty_kind"]
    if kind == "gradient_norm":
        return model.loss(w, x, labels)
    if kind == "fisher_trace":
        return model.loss(w, x, drawn)
    z = model(w, x).mean(0)
    if kind == "average_jacobian":
        return z.sum() if update.attrs["penalty_sum_of_classes"] else z.mean()
    return z @ directions[part]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("update")
    arguments = parser.parse_args()
    with h5py.File(arguments.checkpoint) as checkpoint, h5py.File(arguments.update) as ours:
        model = Model(checkpoint, "batch")
        settings = model.settings
        x = torch.tensor(ours["x"][()], dtype=torch.float64)
        labels = torch.tensor(ours["label"][()])
        drawn = torch.tensor(ours["drawn_label"][()]) if "drawn_label" in ours else None
        directions = torch.tensor(ours["direction"][()], dtype=torch.float64) if "direction" in ours else None
        w = {n: v.requires_grad_() for n, v in model.start.items()}
        n, size = len(labels), int(ours.attrs["micro_batch_size"])
        assert size == int(ours.attrs["chunk"]) or "norm" not in "".join(model.state), "groups other than micro-batches"
        strength, only = float(ours.attrs["penalty_strength"]), int(ours.attrs["penalty_only"])
        eta = float(ours.attrs["learning_rate"])

        total = {name: torch.zeros_like(v) for name, v in w.items()}
        loss = penalty = norm = 0.0
        for part, first in enumerate(range(0, n, size)):
            at = slice(first, min(first + size, n))
            share = (at.stop - at.start) / n
            mean = model.loss(w, x[at], labels[at])
            objective = share * mean
            loss += share * mean.item()
            if strength > 0 and only in (-1, part):
                s = scalar(model, w, x[at], labels[at], ours, part, None if drawn is None else drawn[at], directions)
                square = sum((g**2).sum() for g in torch.autograd.grad(s, list(w.values()), create_graph=True, allow_unused=True)
                             if g is not None)
                weight = share if only < 0 else 1.0
                objective = objective + strength * weight * square
                penalty += weight * square.item()
            if part == int(ours.attrs["graft_micro_batch"]):
                norm = math.sqrt(sum((g**2).sum().item() for g in torch.autograd.grad(mean, list(w.values()), retain_graph=True)))
            for name, g in zip(w, torch.autograd.grad(objective, list(w.values()))):
                total[name] += g

        length = math.sqrt(sum((g**2).sum().item() for g in total.values()))
        graft = ours.attrs["graft_kind"]
        factor = {"none": 1.0, "iterative": norm / length, "external": float(ours.attrs["graft_norm"]) / length,
                  "normalised": 1.0 / length}[graft]
        deviation, largest, step_deviation, step_largest = 0.0, 0.0, 0.0, 0.0
        for name, g in total.items():
            mine = torch.tensor(ours[name + ".gradient"][()])
            deviation = max(deviation, (mine - g).abs().max().item())
            largest = max(largest, g.abs().max().item())
            step = -eta * factor * g
            if name + ".noise" in ours:
                step = step + torch.tensor(ours[name + ".noise"][()])
            moved = torch.tensor(ours[name + ".after"][()]) - w[name].detach()
            step_deviation = max(step_deviation, (moved - step).abs().max().item())
            step_largest = max(step_largest, step.abs().max().item())
        result = {"network": model.kind, "update": int(ours.attrs["update"]), "samples": n, "penalty_kind": ours.attrs["penalty_kind"],
                  "graft_kind": graft, "loss_deviation": abs(loss - float(ours.attrs["loss"])),
                  "penalty": penalty, "penalty_deviation": abs(penalty - float(ours.attrs["penalty"])) / max(penalty, 1e-300),
                  "gradient_deviation": deviation / largest}
        if settings["sgd"]["optimizer"] == "sgd" and float(settings["sgd"]["weight_decay"]) == 0:
            result["step_deviation"] = step_deviation / step_largest
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
