/** A model's name with its tag, as Ollama lists it: `llama3` and `llama3:latest` are the same model. */
export function fullName(model: string): string {
  return model.includes(':', model.lastIndexOf('/') + 1) ? model : `${model}:latest`;
}
