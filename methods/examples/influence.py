"""What the head would be without a training image, and which training images it is made of.

`entry(training, x, targets)` explains the classes `targets` (n,) of test images x (n, 3, h, w). Both entries are of the
head that is fitted exactly to the features of the training images, with the penalty `l2` (see `fitted_head`), and not
of the head that training has left behind.
"""

from functools import partial

import torch
from torch import Tensor

from entries import Inapplicable, choice, explains, flag, positive, refuse, whole
from methods.examples.head import Head, convex_head
from methods.examples.training import Traces, Training, one_hot

follows = partial(explains, "structure", signed=True, passes="1 of every training image, and 1 of the test image")


@follows(cites="Koh & Liang 2017")
class InfluenceLastLayer:
    """The change of a test image's margin by a training image, to first order in its weight [Koh & Liang 2017].

    tau is the margin with the training image, less that without it: -1/n (dm/dtheta)' H^-1 g, where g is the gradient
    of the training image's loss and H the exact Hessian. With `leverage` one Newton step from the optimum of all
    images is made without the image, whose own part of the Hessian is then missing, too. `own` is the rise of a
    training image's own loss without it, to first order or by the same step.

    `solver` is exact, whose Hessian, factor and inverse may take so many `gigabytes`, or cg, which solves a system for
    each test image by conjugate gradients; `own` is nan there, as it would take a system for each training image. With
    `components` the head reads so many principal components of the features instead.
    """

    l2: float
    solver: str
    leverage: bool
    components: int | None
    gigabytes: float

    def __post_init__(self) -> None:
        positive(self, "l2", "gigabytes")
        choice(self, "solver", ("exact", "cg"))
        flag(self, "leverage")
        if self.components is not None:
            whole(self, components=1)
        if self.leverage and self.solver != "exact":
            refuse(self, "solver", "solver=exact for leverage")

    def __call__(self, training: Training, x: Tensor, targets: Tensor) -> Traces:
        if self.solver == "exact":
            self.refuse_large(*training.head()[0].shape)
        head = convex_head(training, self.l2, self.components)
        h, n = head.read(x), len(head.h)
        slopes = torch.einsum("tk,td->tkd", head.margin_slopes(h, targets), h)
        if self.solver == "cg":
            solved, change, own = head.solved(slopes), head.p - head.y, torch.full((n,), torch.nan).double()
        else:
            inverse, change, own = training.once(self, partial(self.removed, head))
            solved = (slopes.flatten(1) @ inverse.flatten(0, 1).flatten(1)).view_as(slopes)
        return Traces(-torch.einsum("tkn,nk->tn", solved @ head.h.T, change) / n, own)

    def refuse_large(self, classes: int, features: int) -> None:
        """Refuse a head whose Hessian, with its factor and its inverse, takes more memory than `gigabytes`."""
        d = 1 + (features if self.components is None else self.components)
        size = 3 * 8 * (classes * d) ** 2 / 1e9
        if size > self.gigabytes:
            of = f"{size:.3g} GB for the Hessian of {classes} classes and {d} features, its factor and inverse"
            offer = "give solver=cg, or components=N, which reads N principal components of the features"
            given = f"gigabytes={self.gigabytes} was given"
            raise Inapplicable(f"{type(self).__name__} needs {of}, and {given}; {offer}")

    def removed(self, head: Head) -> tuple[Tensor, Tensor, Tensor]:
        """Return the inverse Hessian, the gradient that leaves with each image (n, k), and `own`.

        With leverage the gradient is that which has the same effect under the Hessian of all images (Woodbury).
        """
        inverse, change, p = head.inverse(), head.p - head.y, head.p
        leverage = head.leverage(inverse) / len(p)
        if self.leverage:
            curvature = torch.diag_embed(p) - p[:, :, None] * p[:, None]
            change = torch.linalg.solve(torch.eye(p.shape[1]).double() - curvature @ leverage, change)
        rise = torch.einsum("nkl,nl->nk", leverage, change)  # of an image's own logits without it
        if self.leverage:
            before, after = (logits.log_softmax(1) for logits in (head.logits, head.logits + rise))
            return inverse, change, (head.y * (before - after)).sum(1)
        return inverse, change, (change * rise).sum(1)


@follows(cites="Yeh et al. 2018")
class RepresenterPoints:
    """What each training image adds to the test image's logit of the explained class [Yeh et al. 2018].

    The head is fitted until its gradient is 0. Then each of its logits is a sum over the training images, exactly:
    training image i adds alpha_i <h_i, h> to it. <h_i, h> is the inner product of its features with those of the test
    image, plus 1 for the bias. alpha_i = (y_i - p_i) / (n l2), where y_i is 1 if the class of the logit is its label
    and 0 otherwise, p_i is the probability that the head gives the class for it, n is the number of training images,
    and l2 is the penalty.

    tau is what an image adds to the logit of the explained class, so that its sum over training images is this logit.
    Unlike the other entries it says nothing of the logits of other classes, which the margin subtracts. `own` is what a
    training image adds to its own logit of its own label.
    """

    l2: float

    def __post_init__(self) -> None:
        positive(self, "l2")

    def __call__(self, training: Training, x: Tensor, targets: Tensor) -> Traces:
        head = convex_head(training, self.l2)
        h, alpha = head.read(x), (head.y - head.p) / (len(head.h) * self.l2)
        chosen = one_hot(targets, alpha.shape[1], len(h))
        own = (alpha * head.y).sum(1) * head.h.square().sum(1)
        return Traces((chosen @ alpha.T) * (h @ head.h.T), own)
