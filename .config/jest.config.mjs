// One jest for the whole workspace. swc strips the types; `npm run typecheck` checks them.
export default {
  rootDir: '..',
  testEnvironment: 'node',
  setupFilesAfterEnv: ['<rootDir>/.config/jest.retry.mjs'],
  testMatch: [
    '<rootDir>/**/src/**/*.test.ts',
    '<rootDir>/**/test/**/*.test.ts',
    '<rootDir>/test/**/*.test.ts',
  ],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '/.cache/'],
  modulePathIgnorePatterns: ['<rootDir>/.cache/', '/dist/'],
  watchPathIgnorePatterns: ['/dist/', '/.cache/'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' }, transform: {} },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  reporters: ['default', '<rootDir>/.config/totals-reporter.mjs'],
  testTimeout: 30_000,
  maxWorkers: 2,
};
