import type { CallWarning, Served } from '../../router/inference.js';

/** What an answer says beside OpenAI's own fields, under the key `outrigger`. */
export interface Remarks {
  readonly plugin: string;
  readonly instance: string;
  readonly ignored_params?: readonly string[];
  readonly warnings?: readonly { code: string; field?: string; message: string }[];
  readonly finish?: readonly object[];
}

/** Remarks on an answer; undefined when there is nothing to say. */
export function remarks(
  served: Served,
  warnings: readonly CallWarning[],
  finish: readonly (object | undefined)[],
): Remarks | undefined {
  const told = finish.filter((one) => one !== undefined);
  if (warnings.length === 0 && told.length === 0 && served.ignoredParams.length === 0) return undefined;
  return {
    plugin: pluginText(served),
    instance: served.instanceId,
    ...(served.ignoredParams.length === 0 ? {} : { ignored_params: served.ignoredParams }),
    ...(warnings.length === 0 ? {} : { warnings: warnings.map(warningJson) }),
    ...(told.length === 0 ? {} : { finish: told }),
  };
}

/** A warning as JSON. */
export function warningJson(warning: CallWarning): { code: string; field?: string; message: string } {
  const { code, field, message } = warning;
  return field === '' ? { code, message } : { code, field, message };
}

/** `name@version`. */
export function pluginText(served: Served): string {
  return served.pluginVersion === '' ? served.plugin : `${served.plugin}@${served.pluginVersion}`;
}
