"""Its process dies when it is told to."""

import os
import signal

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            if b"die" in pb.get_input_tensor_by_name(request, "text_input").as_numpy().reshape(-1)[0]:
                os.kill(os.getpid(), signal.SIGSEGV)
        return [pb.InferenceResponse([pb.Tensor("text_output", np.array([b"alive"], dtype=object))]) for _ in requests]
