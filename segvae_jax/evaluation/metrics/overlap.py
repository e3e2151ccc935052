"""Intersection over union: the similarity of maps in diversity, memorisation and reconstruction."""

import numpy as np
from jaxtyping import Bool, Float


def class_iou(a: Bool[np.ndarray, "N H W C"], b: Bool[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N C"]:
    """IoU in 0..1 of each class of `a[i]` and `b[i]`; NaN if neither map has it, and for the background."""
    intersection = (a & b).sum(axis=(1, 2))
    union = (a | b).sum(axis=(1, 2))
    union[:, 0] = 0
    return np.divide(intersection, union, out=np.full(union.shape, np.nan), where=union > 0)


def mean_iou(a: Bool[np.ndarray, "N H W C"], b: Bool[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N"]:
    """mIoU in 0..1 of `a[i]` and `b[i]` over the classes present in either; 1 if both are blank."""
    iou = class_iou(a, b)
    count = np.isfinite(iou).sum(axis=1)
    return np.where(count > 0, np.nansum(iou, axis=1) / np.maximum(count, 1), 1.0)


def mean_iou_matrix(a: Bool[np.ndarray, "N H W C"], b: Bool[np.ndarray, "M H W C"]) -> Float[np.ndarray, "N M"]:
    """`mean_iou` of every `a[i]` with every `b[j]`."""
    total = np.zeros((len(a), len(b)), np.float32)
    count = np.zeros((len(a), len(b)), np.float32)
    for channel in range(1, a.shape[-1]):
        rows, columns = (x[..., channel].reshape(len(x), -1).astype(np.float32) for x in (a, b))
        intersection = rows @ columns.T
        union = rows.sum(axis=1)[:, None] + columns.sum(axis=1)[None] - intersection
        total += intersection / np.maximum(union, 1)
        count += union > 0
    return np.where(count > 0, total / np.maximum(count, 1), 1.0)
