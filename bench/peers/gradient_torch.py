#!/usr/bin/env python3
"""Checks Soret's gradients and Hessian-vector products against PyTorch.

    soret run CONFIG --set checkpoint.keep=final -o run.h5
    soret gradient run.h5.checkpoints/point0-run0.h5 -o gradient.h5
    python3 bench/peers/gradient_torch.py run.h5.checkpoints/point0-run0.h5 gradient.h5

Reads the network from the checkpoint (its config and its named parameters) and the samples from gradient.h5, computes
loss, gradient and Hessian-vector product by automatic differentiation in double precision, and prints the largest relative
deviation of every parameter's part. Needs torch, h5py.
"""
import argparse
import configparser
import json
import re

import h5py
import torch
from torch.nn import functional as F


def settings_of(checkpoint):
    config = configparser.ConfigParser()
    config.read_string("[run]\n" + checkpoint.attrs["config"])
    return config


class Model:
    """The networks of `soret describe train`, on channels-last samples."""

    def __init__(self, checkpoint, batch_norm):
        self.settings = settings_of(checkpoint)
        self.batch_norm = batch_norm
        self.factors = {}  # of dropout layers, [sample][unit]; none: evaluation
        network = self.settings["network"]
        self.kind = network["kind"]
        self.activation = {"relu": F.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "softplus": F.softplus,
                           "gelu": F.gelu}[network["activation"]]
        suffixes = (".weight", ".bias", ".scale", ".shift")
        read = lambda name: torch.tensor(checkpoint[name][()], dtype=torch.float64)
        self.names = [n for n in checkpoint if n.endswith(suffixes)]
        self.state = {n: read(n) for n in checkpoint if n.endswith((".running_mean", ".running_variance"))}
        self.start = {n: read(n) for n in self.names}

    def dense(self, w, name, x):
        y = x.flatten(1) @ w[name + ".weight"].T
        return y + w[name + ".bias"] if name + ".bias" in w else y

    def conv(self, w, name, x, stride, pad):
        kernel = w[name + ".weight"].permute(0, 3, 1, 2)  # [out][h][w][in] -> [out][in][h][w]
        y = F.conv2d(x.permute(0, 3, 1, 2), kernel, w.get(name + ".bias"), stride, pad)
        return y.permute(0, 2, 3, 1)

    def norm(self, w, name, x):
        dims = tuple(range(x.dim() - 1))
        if self.batch_norm == "batch":
            mean, variance = x.mean(dims), x.var(dims, unbiased=False)
        else:
            mean, variance = self.state[name + ".running_mean"], self.state[name + ".running_variance"]
        return w[name + ".scale"] * (x - mean) / torch.sqrt(variance + 1e-5) + w[name + ".shift"]

    def pool(self, x, window=3, pad=1):
        return F.max_pool2d(x.permute(0, 3, 1, 2), window, 2, pad).permute(0, 2, 3, 1)

    def count(self, pattern):
        """Largest number that stands in a parameter's name where the pattern has it."""
        found = (re.match(pattern, n) for n in self.names)
        return max((int(m.group(1)) for m in found if m), default=0)

    def __call__(self, w, x):
        network = self.settings["network"]
        if self.kind == "mlp":
            count = sum(n.endswith(".weight") for n in self.names)
            for k in range(1, count + 1):
                x = self.dense(w, f"dense{k}", x)
                x = self.activation(x) if k < count else x
            return x
        if self.kind == "convolutional":
            for k in range(1, int(network["layers"])):
                x = self.activation(self.conv(w, f"conv{k}", x, 1, int(network["padding"])))
            return self.dense(w, "dense", x)
        if self.kind == "f2":
            for k in range(1, 8):
                x = F.relu(self.norm(w, f"norm{k}", self.dense(w, f"dense{k}", x)))
            return self.dense(w, "dense8", x)
        if self.kind == "c1":
            for k in (1, 2):
                x = self.pool(F.relu(self.norm(w, f"norm{k}", self.conv(w, f"conv{k}", x, 2, 2))))
            for k in (384, 192):
                x = F.relu(self.norm(w, f"norm{k}", self.dense(w, f"dense{k}", x))) * self.factors.get(f"dropout{k}", 1.0)
            return self.dense(w, "dense", x)
        if self.kind == "resnet18":
            unit = lambda name, x, stride, pad: self.norm(w, name + ".norm", self.conv(w, name + ".conv", x, stride, pad))
            x = F.relu(unit("stem", x, 1, 1))
            for stage in range(1, self.count(r"stage(\d+)") + 1):
                for block in range(1, self.count(rf"stage{stage}\.block(\d+)") + 1):
                    name = f"stage{stage}.block{block}"
                    stride = 2 if stage > 1 and block == 1 else 1
                    shortcut = unit(name + ".shortcut", x, stride, 0) if name + ".shortcut.conv.weight" in w else x
                    y = F.relu(unit(name + ".1", x, stride, 1))
                    x = F.relu(unit(name + ".2", y, 1, 1) + shortcut)
            return self.dense(w, "dense", x.mean((1, 2)))
        if self.kind in ("vgg11", "vgg16"):
            for stage in range(1, self.count(r"stage(\d+)") + 1):
                for k in range(1, self.count(rf"stage{stage}\.conv(\d+)") + 1):
                    x = self.conv(w, f"stage{stage}.conv{k}", x, 1, 1)
                    norm = f"stage{stage}.norm{k}"
                    x = F.relu(self.norm(w, norm, x) if norm + ".scale" in w else x)
                x = self.pool(x, 2, 0)
            if network["vgg_head"] == "imagenet":
                x = F.adaptive_avg_pool2d(x.permute(0, 3, 1, 2), 7).permute(0, 2, 3, 1)
            for k in (1, 2):
                x = F.relu(self.dense(w, f"dense{k}", x)) * self.factors.get(f"dropout{k}", 1.0)
            return self.dense(w, "dense3", x)
        raise SystemExit(f"no twin of network.kind = {self.kind}")

    def loss(self, w, x, labels):
        z = self(w, x)
        head = self.settings["network"]["loss"]
        if head == "softmax":
            return F.cross_entropy(z, labels)
        if head == "logistic":
            return F.binary_cross_entropy_with_logits(z[:, 0], labels.double())
        return 0.5 * ((z - F.one_hot(labels, z.shape[1])) ** 2).sum(1).mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("gradient")
    arguments = parser.parse_args()
    with h5py.File(arguments.checkpoint) as checkpoint, h5py.File(arguments.gradient) as ours:
        model = Model(checkpoint, ours.attrs["batch_norm"])
        x = torch.tensor(ours["x"][()], dtype=torch.float64)
        labels = torch.tensor(ours["label"][()])
        w = {n: v.requires_grad_() for n, v in model.start.items()}
        loss = model.loss(w, x, labels)
        gradient = torch.autograd.grad(loss, list(w.values()), create_graph=True)
        direction = [torch.tensor(ours[n + ".direction"][()]) for n in w]
        product = torch.autograd.grad(gradient, list(w.values()), direction)
        deviation = {}
        for what, theirs in (("gradient", gradient), ("hessian_vector", product)):
            scale = max(t.detach().abs().max().item() for t in theirs)
            mine = {n: torch.tensor(ours[f"{n}.{what}"][()]) for n in w}
            deviation[what] = max((mine[n] - t.detach()).abs().max().item() for n, t in zip(w, theirs)) / scale
        print(json.dumps({"network": model.kind, "parameters": sum(v.numel() for v in w.values()),
                          "samples": len(labels), "loss": loss.item(),
                          "loss_deviation": abs(loss.item() - float(ours.attrs["loss"])),
                          "gradient_deviation": deviation["gradient"],
                          "hessian_vector_deviation": deviation["hessian_vector"]}, indent=2))


if __name__ == "__main__":
    main()
