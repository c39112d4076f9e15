"""The yardstick: tritonclient straight to the server. Reads one task per line from standard input, writes one result per line."""

import json
import queue
import sys
import time

import numpy as np
import tritonclient.grpc as triton

url = sys.argv[1]


def tensor(name, value, datatype):
    made = triton.InferInput(name, [1], datatype)
    made.set_data_from_numpy(np.array([value], dtype=object if datatype == "BYTES" else bool))
    return made


def prompt(tokens):
    # The very inputs that the plugin sends.
    return [
        tensor("text_input", b"tick", "BYTES"),
        tensor("stream", True, "BOOL"),
        tensor("sampling_parameters", json.dumps({"max_tokens": tokens}).encode(), "BYTES"),
        tensor("exclude_input_in_output", True, "BOOL"),
        tensor("return_finish_reason", True, "BOOL"),
        tensor("return_num_input_tokens", True, "BOOL"),
        tensor("return_num_output_tokens", True, "BOOL"),
    ]


class Stream:
    def __init__(self):
        self.client = triton.InferenceServerClient(url)
        self.answers = queue.Queue()
        self.client.start_stream(callback=lambda result, error: self.answers.put((result, error)))

    def ask(self, tokens):
        self.client.async_stream_infer("llm", prompt(tokens), enable_empty_final_response=True)

    def take(self):
        """The next answer: its text, or None at the end."""
        result, error = self.answers.get(timeout=30)
        if error is not None:
            raise error
        response = result.get_response()
        if response.parameters["triton_final_response"].bool_param:
            return None
        return result.as_numpy("text_output")[0]


open_streams = []
client = triton.InferenceServerClient(url)


def streams(count):
    while len(open_streams) < count:
        open_streams.append(Stream())
    return open_streams[:count]


def first(count):
    [stream] = streams(1)
    times = []
    for _ in range(count):
        at = time.perf_counter()
        stream.ask(1)
        stream.take()
        times.append((time.perf_counter() - at) * 1000)
        while stream.take() is not None:
            pass
    return times


def tokens(count, each):
    used = streams(count)
    at = time.perf_counter()
    for stream in used:
        stream.ask(each)
    seen = 0
    for stream in used:
        while (text := stream.take()) is not None:
            seen += 1 if text else 0
    if seen != count * each:
        raise RuntimeError(f"{seen} tokens instead of {count * each}")
    return seen / (time.perf_counter() - at)


def embed(texts, batch):
    answers = queue.Queue()
    at = time.perf_counter()
    asked = 0
    for begin in range(0, texts, batch):
        given = triton.InferInput("text_input", [batch, 1], "BYTES")
        given.set_data_from_numpy(np.array([[b"abc"]] * batch, dtype=object))
        if batch == 1:
            client.infer("embed", [given])
        else:
            client.async_infer("embed", [given], callback=lambda result, error: answers.put(error))
            asked += 1
    for _ in range(asked):
        error = answers.get(timeout=30)
        if error is not None:
            raise error
    return texts / (time.perf_counter() - at)


for line in sys.stdin:
    name, *arguments = json.loads(line)
    print(json.dumps({"first": first, "tokens": tokens, "embed": embed}[name](*arguments)), flush=True)
for stream in open_streams:
    stream.client.stop_stream()
