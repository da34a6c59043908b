"""An encoder trained by labels: an upper bound for what finds classes without them."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from latentbench import Batch, DataSpec, GradientModel, Model, NotApplicableError
from latentbench_models.centering import Standard
from latentbench_models.nets import NetworkParams, make_encoder

__all__ = ["Supervised"]


class Supervised(GradientModel):
    """A classifier's codes: an upper bound for what finds classes without labels.

    The backbone of `ae` and a linear layer from codes to classes. It is told what all others must find: tables
    show it, star it nowhere, and test nobody against it.

    Loss: `-log softmax(W z + b)_y`, the cross-entropy, where z is the code of an item and y its label.
    """

    decoder: ClassVar[Literal["differentiable", "opaque", "none"]] = "none"
    uses_labels: ClassVar[bool] = True

    class Params(NetworkParams, Model.Params):
        """Parameters of the classifier."""

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        if data.classes is None:
            raise NotApplicableError("supervised needs labels, these data have none")
        self.encoder_net = make_encoder(
            params.backbone, data.shape, params.latent_dim, params.channels, params.hidden
        )
        self.classifier_net = nn.Linear(params.latent_dim, data.classes)
        self.standard = Standard(data)

    def loss(self, batch: Batch, noise: object) -> dict[str, Tensor]:  # noqa: ARG002 - draws nothing
        """Return the cross-entropy of the labels in nats per item."""
        assert batch.labels is not None  # noqa: S101 - for the type checker: __init__ saw to it
        return {"total": cross_entropy(self.classifier_net(self.encode(batch.inputs)), batch.labels)}

    def encode(self, inputs: Tensor) -> Tensor:
        """Map inputs to codes, what the linear layer takes."""
        codes: Tensor = self.encoder_net(self.standard.inward(inputs))
        return codes
