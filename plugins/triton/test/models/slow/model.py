"""Loads until the file `go` lies beside it, so that a test decides how long loading takes."""

import os
import time

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        go = os.path.join(args["model_repository"], "go")
        until = time.time() + 30
        while not os.path.exists(go) and time.time() < until:
            time.sleep(0.02)

    def execute(self, requests):
        return [pb.InferenceResponse([pb.Tensor("text_output", np.array([b"slow"], dtype=object))]) for _ in requests]
