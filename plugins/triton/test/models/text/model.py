"""Plain text in, plain text out, one answer per request: it repeats what it is told."""

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        texts = pb.get_input_tensor_by_name(request, "text_input").as_numpy().reshape(-1)
        if any(b"endless" in text for text in texts):
            return pb.InferenceResponse(error=pb.TritonError("prompt too long: 9000 tokens", pb.TritonError.INVALID_ARG))
        if any(b"raise" in text for text in texts):
            raise ValueError("python raised at /srv/models/text/secret.bin")
        said = np.array([b"You said: " + text for text in texts], dtype=object)
        return pb.InferenceResponse([pb.Tensor("text_output", said.reshape(-1, 1))])
