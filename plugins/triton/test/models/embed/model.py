"""Embeds a text as the letters in it: how many of each of a to h."""

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        texts = pb.get_input_tensor_by_name(request, "text_input").as_numpy().reshape(-1)
        if any(b"poison" in text for text in texts):
            return pb.InferenceResponse(error=pb.TritonError("this text is poison", pb.TritonError.INVALID_ARG))
        vectors = np.array([[text.count(bytes([letter])) for letter in b"abcdefgh"] for text in texts], dtype=np.float32)
        return pb.InferenceResponse([pb.Tensor("embedding", vectors)])
