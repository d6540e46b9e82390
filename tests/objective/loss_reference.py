"""The losses written out as sums over Python loops in float64, straight from the definitions."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]


def cosine(a: Rows, b: Rows) -> float:
    return float(a @ b / math.sqrt(float(a @ a) * float(b @ b)))


def anchor_loss(positive: float, negatives: list[float], offset: float) -> float:
    """log(exp(-b) exp(s_p) + sum exp(s_n)) - s_p, in which exp(-inf) is 0."""
    weights = [math.exp(s) for s in negatives] + [math.exp(-offset) * math.exp(positive)]
    return math.log(sum(weights)) - positive


def one_direction(
    q: Rows,
    k: Rows,
    tau: float,
    offset: float,
    same_side: bool,
    groups: tuple[list[int], ...] = (),
) -> tuple[float, int]:
    losses = []
    for i in range(len(q)):
        others = [j for j in range(len(q)) if j != i and all(ids[i] != ids[j] for ids in groups)]
        negatives = [cosine(q[i], k[j]) / tau for j in others]
        if same_side:
            negatives += [cosine(q[i], q[j]) / tau for j in others]
        if negatives:
            losses.append(anchor_loss(cosine(q[i], k[i]) / tau, negatives, offset))
    return (sum(losses) / len(losses) if losses else 0.0), len(losses)


def both_directions(
    q: Rows,
    k: Rows,
    tau: float,
    offset: float,
    same_side: bool,
    groups: tuple[list[int], ...] = (),
) -> tuple[float, int]:
    forth, count = one_direction(q, k, tau, offset, same_side, groups)
    back, _ = one_direction(k, q, tau, offset, same_side, groups)
    return (forth + back) / 2, count


def by_label(z: Rows, labels: list[int], tau: float, offset: float) -> tuple[float, int]:
    losses = []
    for i in range(len(z)):
        positives = [j for j in range(len(z)) if j != i and labels[j] == labels[i]]
        others = [j for j in range(len(z)) if labels[j] != labels[i]]
        if positives and others:
            negatives = [cosine(z[i], z[j]) / tau for j in others]
            terms = [anchor_loss(cosine(z[i], z[p]) / tau, negatives, offset) for p in positives]
            losses.append(sum(terms) / len(terms))
    return (sum(losses) / len(losses) if losses else 0.0), len(losses)


def supcon_out(z: Rows, labels: list[int], tau: float) -> float:
    """Khosla et al., arXiv 2004.11362, L_out with one temperature, mean over anchors."""
    losses = []
    for i in range(len(z)):
        rest = [j for j in range(len(z)) if j != i]
        total = sum(math.exp(cosine(z[i], z[j]) / tau) for j in rest)
        positives = [j for j in rest if labels[j] == labels[i]]
        terms = [math.log(total) - cosine(z[i], z[p]) / tau for p in positives]
        losses.append(sum(terms) / len(terms))
    return sum(losses) / len(losses)
