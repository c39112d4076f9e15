import { hostVersion, productName } from '../../version.js';

/** Prints the version; loads nothing else, so that it answers at once. */
export function printVersion(json: boolean): void {
  const text = json
    ? JSON.stringify({ name: productName, version: hostVersion, node: process.versions.node })
    : hostVersion;
  process.stdout.write(`${text}\n`);
}
