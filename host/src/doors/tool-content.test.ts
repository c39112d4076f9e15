import { expect, it } from '@jest/globals';
import { toolAnswer } from './tool-content.js';

it('reads every kind of part, and leaves out what it does not know', () => {
  const answer = toolAnswer({
    content: [
      { text: 'hello' },
      { image: { data: 'AAAA', mimeType: 'image/png' } },
      { audio: { data: 'BBBB' } },
      { link: { uri: 'https://x.example/a', name: 'a', description: '', mimeType: 'text/html' } },
      { link: { uri: 'https://x.example/b' } },
      { resource: { uri: 'mem://a', mimeType: 'text/plain', text: 'inside' } },
      { resource: { uri: 'mem://b', blob: 'CCCC' } },
      { hologram: {} },
      7,
    ],
    structuredJson: '{"a":1}',
    isError: false,
  });
  expect(answer).toEqual({
    parts: [
      { type: 'text', text: 'hello' },
      { type: 'image', data: 'AAAA', mimeType: 'image/png' },
      { type: 'audio', data: 'BBBB', mimeType: 'application/octet-stream' },
      { type: 'resource_link', uri: 'https://x.example/a', name: 'a', mimeType: 'text/html' },
      { type: 'resource_link', uri: 'https://x.example/b', name: 'https://x.example/b' },
      { type: 'resource', resource: { uri: 'mem://a', mimeType: 'text/plain', text: 'inside' } },
      { type: 'resource', resource: { uri: 'mem://b', blob: 'CCCC' } },
    ],
    structured: { a: 1 },
    isError: false,
  });
});

it('joins the messages of a stream; broken structured text is none', () => {
  const one = { content: [{ text: 'a' }], structuredJson: '1' };
  expect(toolAnswer([one, { content: [{ text: 'b' }], structuredJson: '{', isError: true }])).toEqual({
    parts: [
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ],
    structured: 1,
    isError: true,
  });
  expect(toolAnswer(null)).toEqual({ parts: [], structured: undefined, isError: false });
});
