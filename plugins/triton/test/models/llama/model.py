"""Real tokens: streams from the llama-server whose address the file `url` beside it tells, in the shape of vLLM."""

import http.client
import json
import os
import threading

import numpy as np
import triton_python_backend_utils as pb

REASONS = {"limit": "length", "eos": "stop", "word": "stop"}


class TritonPythonModel:
    def initialize(self, args):
        with open(os.path.join(args["model_repository"], "url")) as file:
            self.host = file.read().strip()

    def execute(self, requests):
        for request in requests:
            threading.Thread(target=self.run, args=(request, request.get_response_sender()), daemon=True).start()
        return None

    def run(self, request, sender):
        error = None
        try:
            self.answer(request, sender)
        except Exception as raised:
            error = pb.InferenceResponse(error=pb.TritonError(repr(raised)))
        if error is None:
            sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        else:
            sender.send(error, flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def answer(self, request, sender):
        def given(name, fallback):
            tensor = pb.get_input_tensor_by_name(request, name)
            return fallback if tensor is None else tensor.as_numpy().reshape(-1)[0]

        sampling = json.loads(bytes(given("sampling_parameters", b"{}")))
        stream = bool(given("stream", False))
        body = {
            "prompt": bytes(given("text_input", b"")).decode(),
            "stream": True,
            "n_predict": int(sampling.get("max_tokens", 64)),
            "temperature": float(sampling.get("temperature", 0)),
            "stop": sampling.get("stop", []),
        }
        connection = http.client.HTTPConnection(self.host, timeout=30)
        connection.request("POST", "/completion", json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"llama-server answered {response.status}")
        said, tokens = "", 0
        for line in response:
            if sender.is_cancelled():
                connection.sock and connection.sock.close()
                return
            if not line.startswith(b"data: "):
                continue
            piece = json.loads(line[6:])
            said += piece["content"]
            tokens += 1 if piece["content"] else 0
            if stream or piece.get("stop"):
                reason = REASONS.get(piece.get("stop_type"), "None") if piece.get("stop") else "None"
                count = tokens if not stream else (1 if piece["content"] else 0)
                text = piece["content"] if stream else said
                sender.send(
                    pb.InferenceResponse(
                        [
                            pb.Tensor("text_output", np.array([text.encode()], dtype=object)),
                            pb.Tensor("finish_reason", np.array([reason.encode()], dtype=object)),
                            pb.Tensor("num_input_tokens", np.array([piece.get("tokens_evaluated", 0)], dtype=np.uint32)),
                            pb.Tensor("num_output_tokens", np.array([count], dtype=np.uint32)),
                        ]
                    )
                )
            if piece.get("stop"):
                return
        raise RuntimeError("llama-server ended before its answer did")
