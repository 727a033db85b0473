"""Is the score of an image its own?"""

from dataclasses import replace

import torch

from benchmarks.conformance.cases import case, explained, images, part
from benchmarks.conformance.subject import Subject, check


@check("maps", "networks", "paths")
def order_of_the_batch_does_not_matter(subject: Subject) -> None:
    """Permuted images have permuted scores."""
    order = [4, 2, 0, 5, 1, 3]
    subject.same(subject(part(subject.case(), order)), subject.plain[order], "in a batch of another order")


@check("maps", "networks", "paths")
def alone_as_in_a_batch(subject: Subject) -> None:
    """An image scores alone what it scores beside others."""
    for i in (0, 4):
        subject.same(subject(part(subject.case(), [i])), subject.plain[[i]], "alone")


@check("maps", "networks")
def rest_of_the_batch_does_not_matter(subject: Subject) -> None:
    """Beside images and maps that are fifty times as large, too."""
    batch = case()
    x = torch.cat([batch.x[:1], 50 * images(5, 16, seed=7)])
    score = subject(explained(batch.model, x, target=batch.target))
    subject.same(score[:1], subject.plain[:1], "beside images and maps 50 times as large")


@check("maps")
def undefined_stays_in_its_place(subject: Subject) -> None:
    """A zero map without a mask touches no other image's score, and what is undefined is nan in its own row."""
    batch, others = case(), [0, 1, 3, 4, 5]
    broken = replace(batch, maps=batch.maps.clone(), mask=batch.mask.clone(), shared={})
    broken.maps[2], broken.mask[2] = 0, False
    score = subject(broken)
    subject.same(score[others], subject.plain[others], "beside a zero map without a mask")
    subject.same(score[[2]], subject(part(broken, [2])), "as a zero map without a mask, in a batch,")
