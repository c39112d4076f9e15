"""A language model without a brain, in the shape of Triton's vLLM backend.

It repeats the words of its prompt until max_tokens; one word is one token. Further
sampling parameters steer it: `delay` (seconds per token), `fail_at` and `code` (an
error instead of that token), `crash_at` (the process dies), `stop` (as vLLM),
`pieces` (bytes per message, to cut characters in two), `report` (answers with what
it has counted).
"""

import json
import os
import signal
import threading
import time

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.batched = json.loads(args["model_config"]).get("max_batch_size", 0) > 0
        self.lock = threading.Lock()
        self.live = 0
        self.counts = {"started": 0, "cancelled": 0, "finished": 0}

    def execute(self, requests):
        for request in requests:
            self.live += 1
            arguments = (request, request.get_response_sender())
            threading.Thread(target=self.run, args=arguments, daemon=True).start()
        return None

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def tensor(self, name, value, dtype):
        values = np.array([value], dtype=dtype)
        return pb.Tensor(name, values.reshape(1, 1) if self.batched else values)

    def run(self, request, sender):
        try:
            self.answer(request, sender)
        except Exception as error:
            sender.send(pb.InferenceResponse(error=pb.TritonError(repr(error))), flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        finally:
            self.live -= 1

    def answer(self, request, sender):
        def given(name, fallback):
            tensor = pb.get_input_tensor_by_name(request, name)
            return fallback if tensor is None else tensor.as_numpy().reshape(-1)[0]

        prompt = bytes(given("text_input", b"")).decode()
        sampling = json.loads(bytes(given("sampling_parameters", b"{}")))
        stream = bool(given("stream", False))
        # As the real backend: the prompt stands before an answer that is not streamed, unless it is excluded.
        exclude = bool(given("exclude_input_in_output", stream))
        if stream and not exclude:
            raise ValueError("exclude_input_in_output=False cannot be combined with stream=True")

        def send(text, tokens, reason):
            tensors = [self.tensor("text_output", text, object)]
            if given("return_finish_reason", False):
                tensors.append(self.tensor("finish_reason", (reason or "None").encode(), object))
            if given("return_num_input_tokens", False):
                values = np.array([len(prompt.split())], dtype=np.uint32)
                tensors.append(pb.Tensor("num_input_tokens", values.reshape(1, 1) if self.batched else values))
            if given("return_num_output_tokens", False):
                tensors.append(self.tensor("num_output_tokens", tokens, np.uint32))
            sender.send(pb.InferenceResponse(output_tensors=tensors))

        def end(error=None):
            if error is not None:
                sender.send(pb.InferenceResponse(error=error), flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            else:
                sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

        if sampling.get("report"):
            send(json.dumps({**self.counts, "live": self.live - 1, "sampling": sampling, "prompt": prompt}).encode(), 1, "stop")
            return end()

        self.count("started")
        words = prompt.split() or ["nothing"]
        limit = int(sampling.get("max_tokens", 16))
        stops = sampling.get("stop", [])
        said, tokens, reason = "", 0, "length"
        for index in range(limit):
            if sender.is_cancelled():
                self.count("cancelled")
                return end(pb.TritonError("cancelled", pb.TritonError.CANCELLED))
            if sampling.get("fail_at") == index:
                return end(pb.TritonError(sampling.get("message", "the model failed"), getattr(pb.TritonError, sampling.get("code", "INTERNAL"))))
            if sampling.get("crash_at") == index:
                os.kill(os.getpid(), signal.SIGSEGV)
            time.sleep(float(sampling.get("delay", 0)))
            word = words[index % len(words)] + " "
            if any(stop in said + word for stop in stops):
                reason = "stop"
                break
            said += word
            tokens += 1
            if stream:
                data = word.encode()
                size = int(sampling.get("pieces", len(data)))
                for at in range(0, len(data), size):
                    send(data[at : at + size], 1 if at == 0 else 0, "")
        if stream:
            send(b"", 0, reason)
        else:
            send((("" if exclude else prompt) + said).encode(), tokens, reason)
        self.count("finished")
        end()

    def finalize(self):
        until = time.time() + 5
        while self.live and time.time() < until:
            time.sleep(0.01)
