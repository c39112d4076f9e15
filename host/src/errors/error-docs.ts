import { errorTable, type ErrorRow } from './error-table.js';

/** The page docs/errors.md, made from the table. */
export function errorDocs(): string {
  const rows = Object.entries(errorTable as Record<string, ErrorRow>).map(
    ([kind, row]) =>
      `| \`${kind}\` | ${row.http} | \`${row.openaiType}\` | ${row.openaiCode === null ? '–' : `\`${row.openaiCode}\``} | ${row.grpc} | ${row.mcp} | ${row.retryable ? 'yes' : 'no'} | ${row.meaning} |`,
  );
  return [
    '# Errors',
    '',
    '<!-- Made from src/errors/error-table.ts by `npm run generate:errors`; do not edit. -->',
    '',
    'The OpenAI door answers `{"error":{"message","type","param","code"}}`, the REST door `application/problem+json` with',
    'the kind in `kind`. A tool of the MCP door that fails answers `isError` with the kind in',
    '`structuredContent.error.kind`; the MCP column is the JSON-RPC code of faults of the protocol. A stream that has begun',
    'ends with one error event, without finish reason and without `[DONE]`.',
    '',
    '| kind | HTTP | OpenAI type | OpenAI code | gRPC | MCP | retry helps | meaning |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
