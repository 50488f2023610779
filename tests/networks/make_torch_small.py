"""Makes torch-small.onnx anew: a small convolutional network of random weights, exported by PyTorch's newer exporter (the one that
needs onnxscript) with a batch of one image, as it does where nothing else is said.

    pip install torch onnx onnxscript
    python tests/networks/make_torch_small.py

torch-small.json has what PyTorch itself answers for four images. What is there was made with torch 2.15.0 and onnxscript 0.7.2.
"""

import json
from pathlib import Path

import torch
from torch import nn

torch.manual_seed(0)
network = nn.Sequential(
    nn.Conv2d(3, 8, 3, stride=2, padding=1),
    nn.BatchNorm2d(8),
    nn.ReLU(),
    nn.Dropout(),
    nn.Conv2d(8, 8, 3, stride=2, padding=1),
    nn.GELU(),
    nn.AdaptiveAvgPool2d(2),
    nn.Flatten(),
    nn.Linear(32, 5),
)
network.train()(torch.rand(64, 3, 16, 16))  # statistics of the batch normalization
network.eval()
images = (torch.rand(4, 3, 16, 16) * 255).round()
file = Path(__file__).with_name("torch-small.onnx")
torch.onnx.export(network, (images[:1],), file, dynamo=True, external_data=False, input_names=["images"])
rows = {"images": images.int().flatten(1).tolist(), "logits": network(images).tolist()}
file.with_suffix(".json").write_text(json.dumps(rows))
