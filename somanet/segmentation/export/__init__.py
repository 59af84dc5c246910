"""Export of networks: for users of SomaNet, for programs that run ONNX or OpenVINO, for Fiji and QuPath."""

from somanet.segmentation.export.card import make_card
from somanet.segmentation.export.graphs import export_onnx, export_openvino
from somanet.segmentation.export.half import export_half
from somanet.segmentation.export.zoo import export_bioimageio

__all__ = ["export_bioimageio", "export_half", "export_onnx", "export_openvino", "make_card"]
