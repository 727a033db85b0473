"""Deconvnet, guided backprop and guided Grad-CAM by captum.

captum needs ReLUs that are modules and do not work in place; timm's are modules that are used once, so a copy of the
network is enough and the canonical form has no part in this.
"""

from torch import Tensor, nn

from tests.methods.networks import not_in_place
from tests.methods.references import Reference


def captum(name: str):
    def maps(method: object, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        import captum.attr

        attribute = getattr(captum.attr, name)(not_in_place(model)).attribute
        return attribute(x.clone().requires_grad_(), target=target).detach().abs().amax(1)

    return maps


def guided_grad_cam(method: object, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """captum multiplies each channel as the paper does; its own default of nearest upsampling is not ours."""
    from captum.attr import GuidedGradCam

    model = not_in_place(model)
    attribute = GuidedGradCam(model, model.get_submodule(method.layer)).attribute
    maps = attribute(x.clone().requires_grad_(), target=target, interpolate_mode="bilinear")
    return maps.detach().abs().amax(1)


REFERENCES = {
    "deconvnet": Reference("captum", captum("Deconvolution")),
    "guided_backprop": Reference("captum", captum("GuidedBackprop")),
    "guided_grad_cam": Reference("captum", guided_grad_cam),
}
