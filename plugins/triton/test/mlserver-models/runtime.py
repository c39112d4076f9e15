"""Models for MLServer: a language model that streams words, plain text, embeddings."""

import asyncio

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceResponse

seen = {"cancelled": 0}


def texts(payload, name="text_input"):
    tensor = next(one for one in payload.inputs if one.name == name)
    return StringCodec.decode_input(tensor)


def given(payload, name, fallback):
    for tensor in payload.inputs:
        if tensor.name == name:
            return np.array(list(tensor.data)).reshape(-1)[0]
    return fallback


class Words(MLModel):
    async def load(self):
        return True

    def said(self, text):
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("text_output", [text])])

    async def predict(self, payload):
        prompt = texts(payload)[0]
        if prompt == "cancelled?":
            return self.said(str(seen["cancelled"]))
        if prompt == "refuse":
            raise InferenceError("prompt too long: 9000 tokens")
        if prompt == "raise":
            raise ValueError("python raised at /srv/models/secret.bin")
        return self.said("You said: " + prompt)

    async def predict_stream(self, payloads):
        async for payload in payloads:
            prompt = texts(payload)[0]
            words = prompt.split()
            if prompt in ("cancelled?", "refuse", "raise"):
                yield await self.predict(payload)
                return
            try:
                for index in range(int(given(payload, "max_tokens", len(words)))):
                    word = words[index % len(words)]
                    if word == "FAIL":
                        raise InferenceError("the model failed")
                    if "slowly" in words:
                        await asyncio.sleep(0.005)
                    yield self.said(word + " ")
            except (asyncio.CancelledError, GeneratorExit):
                seen["cancelled"] += 1
                raise


class Text(Words):
    async def predict_stream(self, payloads):
        async for payload in payloads:
            yield await self.predict(payload)


class Letters(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        vectors = np.array([[text.count(letter) for letter in "abcdefgh"] for text in texts(payload)], dtype=np.float32)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("embedding", vectors)])


class Broken(MLModel):
    async def load(self):
        raise RuntimeError("weights missing at /srv/models/broken.bin")
