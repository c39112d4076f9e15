/** MCP clients whose configuration differs. */
export const clientNames = ['claude', 'claude-code', 'vscode', 'windsurf', 'cursor', 'docker'] as const;

/** One of them. */
export type ClientName = (typeof clientNames)[number];
