"""The shape of TensorRT-LLM's ensemble: it answers with the inputs that it was given, a word per message."""

import json

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            self.answer(request, request.get_response_sender())
        return None

    def answer(self, request, sender):
        def given(name):
            tensor = pb.get_input_tensor_by_name(request, name)
            if tensor is None:
                return None
            values = tensor.as_numpy().reshape(-1).tolist()
            return [value.decode() if isinstance(value, bytes) else value for value in values]

        names = ["text_input", "max_tokens", "bad_words", "stop_words", "temperature", "top_k", "seed", "stream"]
        inputs = {name: given(name) for name in names if given(name) is not None}
        words = (given("text_input")[0] + " " + json.dumps(inputs)).split(" ") if inputs else []
        text = " ".join(words)
        pieces = [text[at : at + 7] for at in range(0, len(text), 7)] if (given("stream") or [False])[0] else [text]
        for piece in pieces:
            output = pb.Tensor("text_output", np.array([[piece.encode()]], dtype=object))
            sender.send(pb.InferenceResponse([output]))
        sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
