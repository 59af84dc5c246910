"""Networks to hand on: to users of SomaNet, to programs that run ONNX or OpenVINO, to Fiji and QuPath."""

from somanet.exporting.card import make_card
from somanet.exporting.graphs import export_onnx, export_openvino
from somanet.exporting.half import export_half
from somanet.exporting.zoo import export_bioimageio

__all__ = ["export_bioimageio", "export_half", "export_onnx", "export_openvino", "make_card"]
