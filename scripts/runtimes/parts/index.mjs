// All parts, in the order in which they are installed.
import llamaServer from './llama-server.mjs';
import ollama from './ollama.mjs';

export const parts = [llamaServer, ollama];

/** The parts of the given names or aliases, all of them for an empty list; an unknown name throws. */
export function selectParts(names) {
  if (names.length === 0) return parts;
  return names.map((name) => {
    const part = parts.find((candidate) => candidate.name === name || candidate.aliases?.includes(name));
    if (part) return part;
    throw new Error(
      `no runtime is called "${name}"; there are: ${parts.map((known) => known.name).join(', ')}`,
    );
  });
}
