/**
 * Runs `use` with variables for the environment of a process that ends in it, by itself or by a signal that it
 * obeys. Resolves with the addresses of the scripts that it ran, one a line.
 */
export function loadedScripts(use: (env: Readonly<Record<string, string>>) => Promise<void>): Promise<string>;

/** What a plugin has loaded when it listens; `main` is the path of its program. */
export function loadedByPlugin(main: string): Promise<string>;
