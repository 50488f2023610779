"""Makes sklearn-digits.onnx anew: scikit-learn's multilayer perceptron on its own digits of 8 x 8 pixels, exported by skl2onnx.

    pip install scikit-learn skl2onnx
    python tests/networks/make_sklearn_digits.py

sklearn-digits.json has what scikit-learn itself answers for twenty of its digits.

What is there was made with scikit-learn 1.9.1 and skl2onnx 1.20.0. Its weights are ours, under this repository's licence; the
digits are scikit-learn's copy of the UCI data set "Optical Recognition of Handwritten Digits" (CC BY 4.0).
"""

import json
from pathlib import Path

from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

images, labels = load_digits(return_X_y=True)
network = MLPClassifier((32,), max_iter=300, random_state=0).fit(images, labels)
inputs = [("pixels", FloatTensorType([None, 64]))]
exported = to_onnx(network, initial_types=inputs, target_opset=17, options={"zipmap": False})
Path(__file__).with_name("sklearn-digits.onnx").write_bytes(exported.SerializeToString())
rows = {"pixels": images[:20].tolist(), "probabilities": network.predict_proba(images[:20]).tolist()}
Path(__file__).with_name("sklearn-digits.json").write_text(json.dumps(rows))
