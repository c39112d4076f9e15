import { UnsupportedPolicy, type GenerateEvent, type Warning } from '@outrigger/proto';
import { PluginError, warning } from '@outrigger/sdk-plugin';

/** Gathers what a request asks for and Ollama cannot do. */
export class Unsupported {
  readonly #fail: boolean;
  readonly #notes: { field: string; message: string; code: string }[] = [];

  constructor(policy: UnsupportedPolicy | undefined) {
    this.#fail = policy === UnsupportedPolicy.UNSUPPORTED_POLICY_FAIL;
  }

  /** The field is left out. */
  note(field: string, message: string): void {
    this.#notes.push({ field, message, code: 'unsupported_parameter' });
  }

  /** The field is honoured, but not to the letter; never a failure. */
  adjust(field: string, message: string): void {
    this.#notes.push({ field, message, code: 'parameter_adjusted' });
  }

  /** Throws UNSUPPORTED_PARAMETER when the caller would rather fail than go without. */
  check(): void {
    const missing = this.#notes.filter(({ code }) => code === 'unsupported_parameter');
    if (!this.#fail || missing.length === 0) return;
    throw new PluginError(
      'UNSUPPORTED_PARAMETER',
      missing.map(({ field, message }) => `${field}: ${message}`).join('; '),
      {
        fields: missing.map(({ field, message }) => ({ field, description: message })),
      },
    );
  }

  get warnings(): Warning[] {
    return this.#notes.map(({ code, field, message }) => ({ code, field, message }));
  }

  get events(): GenerateEvent[] {
    return this.#notes.map(({ code, field, message }) => warning(code, field, message));
  }
}

/** The error for a field that is wrong; the message names it. */
export function invalid(field: string, message: string): PluginError {
  return new PluginError('INVALID_REQUEST', `${field}: ${message}`, {
    fields: [{ field, description: message }],
  });
}
