import { z } from 'zod';

// What OpenAI's clients send as messages. Unknown keys are kept everywhere: what the mapping
// does not know travels on instead of vanishing.

const textPart = z.looseObject({ type: z.literal('text'), text: z.string() });
const imagePart = z.looseObject({
  type: z.literal('image_url'),
  image_url: z.looseObject({
    url: z.string().min(1).describe('An http(s) address or a data: URL.'),
    detail: z.string().nullish().describe('`low`, `high` or `auto`.'),
  }),
});
const videoPart = z.looseObject({
  type: z.literal('video_url'),
  video_url: z.looseObject({ url: z.string().min(1).describe('An http(s) address or a data: URL.') }),
});
const audioPart = z.looseObject({
  type: z.literal('input_audio'),
  input_audio: z.looseObject({
    data: z.string().min(1).describe('Base64.'),
    format: z.string().min(1).describe('`wav`, `mp3`, …'),
  }),
});
const filePart = z.looseObject({
  type: z.literal('file'),
  file: z.looseObject({
    file_data: z.string().nullish().describe('Base64 or a data: URL.'),
    file_id: z.string().nullish(),
    filename: z.string().nullish(),
  }),
});
const refusalPart = z.looseObject({ type: z.literal('refusal'), refusal: z.string() });

const userPart = z.discriminatedUnion('type', [textPart, imagePart, audioPart, filePart, videoPart]);
const assistantPart = z.discriminatedUnion('type', [textPart, refusalPart]);
const textContent = z.union([z.string(), z.array(textPart)]);

const instructions = <R extends 'system' | 'developer'>(role: R) =>
  z.looseObject({ role: z.literal(role), content: textContent, name: z.string().nullish() });

const user = z.looseObject({
  role: z.literal('user'),
  content: z.union([z.string(), z.array(userPart).min(1)]),
  name: z.string().nullish(),
});

const assistant = z.looseObject({
  role: z.literal('assistant'),
  content: z.union([z.string(), z.array(assistantPart)]).nullish(),
  name: z.string().nullish(),
  refusal: z.string().nullish(),
  reasoning_content: z
    .string()
    .nullish()
    .describe('Reasoning of that turn, as an earlier answer returned it.'),
  tool_calls: z
    .array(
      z.looseObject({
        id: z.string().min(1),
        type: z.literal('function').optional(),
        function: z.looseObject({ name: z.string().min(1), arguments: z.string() }),
      }),
    )
    .nullish(),
  prefix: z.boolean().nullish().describe('The answer continues this message, which must be the last one.'),
});

const tool = z.looseObject({
  role: z.literal('tool'),
  tool_call_id: z.string().min(1),
  content: textContent,
  name: z.string().nullish(),
});

/** One turn of a conversation. */
export const messageSchema = z.discriminatedUnion('role', [
  user,
  assistant,
  instructions('system'),
  tool,
  instructions('developer'),
]);

/** One turn as it came in. */
export type MessageInput = z.output<typeof messageSchema>;
/** One piece of a user's turn as it came in. */
export type UserPartInput = z.output<typeof userPart>;
