"""Other suites' deletion and insertion, their algorithms written again one by one; ties by our permutation."""

import math

import numpy as np
from scipy.integrate import trapezoid
from scipy.ndimage import convolve, correlate1d, gaussian_filter
from scipy.special import softmax

from benchmarks.conformance.models import MEAN, STD
from tests.metrics.writing import dense, logits, order, resolved


def probability(e, i, image):
    return softmax(logits(e, image))[e.target[i]]


def exchange(image, other, pixels):
    now = image.reshape(3, -1).copy()
    now[:, pixels] = other.reshape(3, -1)[:, pixels]
    return now.reshape(image.shape)


def zeros(image):
    return np.zeros_like(image)


def rise(e, i, start, finish, step=224):
    area = start[0].size
    n_steps = (area + step - 1) // step
    salient, scores = order(dense(e.maps[i])), []
    for k in range(n_steps + 1):
        scores.append(probability(e, i, start))
        start = exchange(start, finish, salient[step * k : step * (k + 1)])
    scores = np.array(scores)
    return (scores.sum() - scores[0] / 2 - scores[-1] / 2) / (len(scores) - 1)


def deletion_rise(e, i, metric):
    image = dense(e.x[i])
    return rise(e, i, image, zeros(image))


def insertion_rise(e, i, metric):
    image, dirac = dense(e.x[i]), np.zeros((11, 11))
    dirac[5, 5] = 1
    kernel = gaussian_filter(dirac, 5)
    blurred = np.stack([convolve(channel, kernel, mode="constant") for channel in image])
    return rise(e, i, blurred, image)


def latec(e, i, current, other, batch=50):
    indices, replaced, scores = order(dense(e.maps[i])), 0, []
    while replaced < len(indices):
        now = min(len(indices) - replaced, batch)
        current = exchange(current, other, indices[replaced : replaced + now])
        replaced += now
        if replaced == len(indices):
            break
        scores.append(probability(e, i, current))
    return trapezoid(scores, dx=1.0 / len(scores))


def deletion_latec(e, i, metric):
    image = dense(e.x[i])
    return latec(e, i, image, zeros(image))


def insertion_latec(e, i, metric):
    image, line = dense(e.x[i]), np.exp(-0.5 * (np.linspace(-7, 7, 15) / 5) ** 2)
    line /= line.sum()
    blurred = correlate1d(correlate1d(image, line, axis=1, mode="mirror"), line, axis=2, mode="mirror")
    return latec(e, i, blurred, image)


def xplique(e, i, start, end, steps=10):
    most, scores = order(dense(e.maps[i])), []
    for step in np.linspace(0, len(most), steps + 1, dtype=np.int32):
        scores.append(logits(e, exchange(start, end, most[:step]))[e.target[i]])
    scores = np.array(scores)
    return np.mean(scores[:-1] + scores[1:]) * 0.5


def deletion_xplique(e, i, metric):
    image = dense(e.x[i])
    return xplique(e, i, image, zeros(image))


def insertion_xplique(e, i, metric):
    image = dense(e.x[i])
    return xplique(e, i, zeros(image), image)


def interpretdl(e, i, deletion, samples=20):
    image, values = dense(e.x[i]), resolved(dense(e.maps[i])).reshape(e.maps[i].shape)
    mean, std = (dense(t)[:, None, None] for t in (MEAN, STD))
    grey = np.zeros_like(image) + (127 / 255 - mean) / std
    q = 100.0 / samples
    percentiles = np.percentile(values, [q * (k - 1) for k in range(samples, 0, -1)])
    if deletion:
        images = [image] + [np.where(values > p, grey, image) for p in percentiles]
    else:
        images = [np.where(values > p, image, grey) for p in percentiles] + [image]
    return np.mean([probability(e, i, image) for image in images])


def deletion_interpretdl(e, i, metric):
    return interpretdl(e, i, deletion=True)


def insertion_interpretdl(e, i, metric):
    return interpretdl(e, i, deletion=False)


def torchcam(e, i, start, end, steps=20):
    positions = np.argsort(-resolved(dense(e.maps[i])), kind="stable")
    size = math.ceil(len(positions) / steps)
    counts = [*range(0, len(positions), size), len(positions)]
    curve = [probability(e, i, exchange(start, end, positions[:count])) for count in counts]
    return np.trapezoid(curve, np.array(counts) / len(positions))


def deletion_torchcam(e, i, metric):
    image = dense(e.x[i])
    return torchcam(e, i, image, zeros(image))


def insertion_torchcam(e, i, metric):
    image = dense(e.x[i])
    return torchcam(e, i, zeros(image), image)


def deletion_idsds(e, i, metric):
    image, ascending = dense(e.x[i]), order(dense(e.maps[i]))[::-1]
    alphas = np.linspace(0, 1.0, num=32, endpoint=False)
    removed = [ascending[: int(len(ascending) * alpha)] for alpha in alphas]
    return np.mean([probability(e, i, exchange(image, zeros(image), pixels)) for pixels in removed])


def pixel_flipping_quantus(e, i, metric):
    image, step, scores = dense(e.x[i]), 256, []
    area = image[0].size
    indices = [channel * area + pixel for pixel in order(dense(e.maps[i])) for channel in range(3)]
    flipped = image.flatten()
    for k in range(math.ceil(len(indices) / step)):
        flipped[indices[k * step : (k + 1) * step]] = flipped.min()
        scores.append(probability(e, i, flipped.reshape(image.shape)))
    return trapezoid(scores, dx=1)
