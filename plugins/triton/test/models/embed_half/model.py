"""As `embed`, a tenth of it, in half precision and one text at a time."""

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        text = pb.get_input_tensor_by_name(request, "query").as_numpy().reshape(-1)[0]
        vector = np.array([text.count(bytes([letter])) / 10 for letter in b"abcdefgh"], dtype=np.float16)
        return pb.InferenceResponse([pb.Tensor("values", vector)])
