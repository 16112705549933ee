#!/usr/bin/env python3
"""Redoes one update of a training run by double backward in PyTorch and compares it with Soret's.

    soret run CONFIG --set checkpoint.keep=final -o run.h5
    soret update run.h5.checkpoints/point0-run0.h5 --precision double -o update.h5
    python3 bench/peers/update_torch.py run.h5.checkpoints/point0-run0.h5 update.h5

Penalties (Novack et al., Eqs. 1 to 7), grafting (Eq. 8; iterative, external, per layer), normalised gradient descent and
injected noise, with plain SGD, heavy ball or Nesterov's momentum, and weight decay. Prints the largest deviation of the
gradient and of the step (which is single precision), over their largest entries. Exits with 1 if that of the gradient is above
1e-6 in an update of --precision double. Needs torch, h5py.
"""
import argparse
import json
import math
import sys

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


def norm_of(vectors):
    return math.sqrt(sum((v**2).sum().item() for v in vectors))


def layers(names):
    """The parameters of every layer: dense1.weight and dense1.bias."""
    parts = {}
    for name in names:
        parts.setdefault(name.rsplit(".", 1)[0], []).append(name)
    return list(parts.values())


def grafted(total, micro, update):
    """The gradient with its new length; a zero one stays zero."""
    kind = update.attrs["graft_kind"]
    if kind == "none":
        return total
    result = dict(total)
    for names in layers(total) if update.attrs["graft_per_layer"] else [list(total)]:
        length = norm_of(total[n] for n in names)
        wanted = {"iterative": lambda: norm_of(micro[n] for n in names),
                  "external": lambda: float(update.attrs["graft_norm"]), "normalised": lambda: 1.0}[kind]()
        if length > 0:
            result.update({n: wanted / length * total[n] for n in names})
    return result


def step_of(g, w, name, update):
    """What the rule adds to a parameter, noise included."""
    attrs = update.attrs
    eta, decay = float(attrs["learning_rate"]), float(attrs["weight_decay"])
    if not attrs["decoupled"]:
        g = g + decay * w
    if attrs["optimizer"] != "sgd":
        m = float(attrs["momentum"]) * torch.tensor(update[name + ".momentum"][()]) + g
        g = m if attrs["optimizer"] == "momentum" else g + float(attrs["momentum"]) * m
    step = -eta * (g + decay * w if attrs["decoupled"] else g)
    return step + torch.tensor(update[name + ".noise"][()]) if name + ".noise" in update else step


def refuse_other_groups(model, update):
    """Batch normalisation is redone micro-batch by micro-batch."""
    group, size, chunk = (int(v) for v in (model.settings["network"]["batch_norm_group"], update.attrs["micro_batch_size"],
                                           update.attrs["chunk"]))
    if model.state and not (group == 0 and chunk == size or group == size and chunk % size == 0):
        sys.exit(f"groups of batch normalisation are not the micro-batches (network.batch_norm_group = {group}, chunks of "
                 f"{chunk}, micro-batches of {size})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("update")
    arguments = parser.parse_args()
    with h5py.File(arguments.checkpoint) as checkpoint, h5py.File(arguments.update) as ours:
        model = Model(checkpoint, "batch")
        refuse_other_groups(model, ours)
        x = torch.tensor(ours["x"][()], dtype=torch.float64)
        labels = torch.tensor(ours["label"][()])
        drawn = torch.tensor(ours["drawn_label"][()]) if "drawn_label" in ours else None
        directions = torch.tensor(ours["direction"][()], dtype=torch.float64) if "direction" in ours else None
        w = {n: v.requires_grad_() for n, v in model.start.items()}
        n, size = len(labels), int(ours.attrs["micro_batch_size"])
        strength, only = float(ours.attrs["penalty_strength"]), int(ours.attrs["penalty_only"])

        total = {name: torch.zeros_like(v) for name, v in w.items()}
        micro = None
        loss = penalty = 0.0
        for part, first in enumerate(range(0, n, size)):
            at = slice(first, min(first + size, n))
            share = (at.stop - at.start) / n
            model.factors = {name.removesuffix(".factor"): torch.tensor(ours[name][at], dtype=torch.float64)
                             for name in ours if name.endswith(".factor")}
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
                micro = dict(zip(w, torch.autograd.grad(mean, list(w.values()), retain_graph=True)))
            for name, g in zip(w, torch.autograd.grad(objective, list(w.values()))):
                total[name] += g

        with torch.no_grad():
            moves = ours.attrs["optimizer"] in ("sgd", "momentum", "nesterov")
            final = grafted(total, micro, ours)
            deviation, largest, step_deviation, step_largest = 0.0, 0.0, 0.0, 0.0
            for name, g in total.items():
                mine = torch.tensor(ours[name + ".gradient"][()])
                deviation = max(deviation, (mine - g).abs().max().item())
                largest = max(largest, g.abs().max().item())
                if not moves:
                    continue
                step = step_of(final[name], w[name], name, ours)
                moved = torch.tensor(ours[name + ".after"][()]) - w[name]
                step_deviation = max(step_deviation, (moved - step).abs().max().item())
                step_largest = max(step_largest, step.abs().max().item())
        result = {"network": model.kind, "update": int(ours.attrs["update"]), "samples": n,
                  "optimizer": ours.attrs["optimizer"], "penalty_kind": ours.attrs["penalty_kind"],
                  "graft_kind": ours.attrs["graft_kind"], "loss_deviation": abs(loss - float(ours.attrs["loss"])),
                  "penalty": penalty, "penalty_deviation": abs(penalty - float(ours.attrs["penalty"])) / max(penalty, 1e-300),
                  "gradient_deviation": deviation / largest if largest > 0 else deviation}
        if moves:
            result["step_deviation"] = step_deviation / step_largest if step_largest > 0 else step_deviation
        print(json.dumps(result, indent=2))
        if ours.attrs["precision"] == "double" and not result["gradient_deviation"] <= 1e-6:
            sys.exit(1)


if __name__ == "__main__":
    main()
