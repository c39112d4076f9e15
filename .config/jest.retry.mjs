// In CI a test of processes that a busy machine disturbed is tried twice more; what failed before is printed.
import { jest } from '@jest/globals';

if (process.env.CI) jest.retryTimes(2, { logErrorsBeforeRetry: true });
