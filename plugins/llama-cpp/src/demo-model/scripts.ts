/**
 * What each demo model says. The model's whole state is its last token, so the pieces of one model must all
 * differ; a piece may hold several words. A piece is a token of its own: a stream shows them one by one.
 */

/** The kinds of demo model. */
export const DEMO_VARIANTS = ['demo', 'demo-tools', 'demo-loop', 'demo-embed', 'demo-think'] as const;
export type DemoVariant = (typeof DEMO_VARIANTS)[number];

export interface DemoScript {
  /** The answer, piece by piece. */
  readonly speech: readonly string[];
  /** Where the answer goes on after its last piece; without it the answer ends there. */
  readonly loopsTo?: string;
  /** The tool call this model makes when a request offers tools, piece by piece. */
  readonly toolCall?: readonly string[];
  /** What it thinks before it answers, piece by piece, tags included. */
  readonly thought?: readonly string[];
  /** Whether the file declares that token vectors are averaged into an embedding. */
  readonly embeds: boolean;
}

const HOW_TO_GO_ON = [
  ' Put',
  ' a .gguf',
  ' file',
  ' into',
  ' your',
  ' models',
  ' folder,',
  ' or',
  ' run:',
  ' outrigger',
  ' models pull',
  ' hf:OWNER/REPO/FILE.gguf',
] as const;

/** One script per variant; `speechText` and `toolCallText` give them as a client sees them. */
export const DEMO_SCRIPTS = {
  demo: {
    speech: [
      'This',
      ' is',
      ' the',
      ' demo',
      ' model',
      ' of',
      ' Outrigger,',
      ' running',
      ' on',
      ' a',
      ' real',
      ' engine;',
      ' these',
      ' words',
      ' are',
      ' all',
      ' it',
      ' knows.',
      ...HOW_TO_GO_ON,
    ],
    embeds: false,
  },
  'demo-tools': {
    speech: [
      'This',
      ' is',
      ' the',
      ' tool',
      ' demo',
      ' of',
      ' Outrigger.',
      ' When',
      ' a request',
      ' offers',
      ' tools,',
      ' it',
      ' calls',
      ' one;',
      ' once',
      ' that',
      ' has answered,',
      ' it says',
      ' these words.',
    ],
    toolCall: [
      '<tool_call>',
      '\n{"name": ',
      '"get_weather',
      '", "arguments": ',
      '{"city": ',
      '"Paris"',
      '}}',
      '\n</tool_call>',
    ],
    embeds: false,
  },
  'demo-loop': {
    speech: ['This', ' demo', ' never', ' ends:', ' tick,', ' tock,'],
    loopsTo: ' tick,',
    embeds: false,
  },
  'demo-embed': {
    speech: ['This', ' demo', ' model', ' of', ' Outrigger', ' makes', ' embeddings.', ...HOW_TO_GO_ON],
    embeds: true,
  },
  'demo-think': {
    thought: ['<think>', 'Only', ' the', ' last', ' token', ' counts', ' here.', '</think>'],
    speech: ['This', ' demo', ' thinks', ' before', ' it speaks.'],
    embeds: false,
  },
} as const satisfies Record<DemoVariant, DemoScript>;

/** The script of a variant under the common type. */
export function demoScript(variant: DemoVariant): DemoScript {
  return DEMO_SCRIPTS[variant];
}

/** All pieces of a script, each once. */
export function scriptPieces({ thought = [], speech, toolCall = [] }: DemoScript): string[] {
  return [...thought, ...speech, ...toolCall];
}

/** The whole answer of a variant as one text. */
export function speechText(variant: DemoVariant): string {
  return demoScript(variant).speech.join('');
}
