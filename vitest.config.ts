import { defineConfig } from 'vitest/config';

// Two cores: more than two workers only make the real servers in the tests time out.
export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    maxWorkers: 2,
    // What takes 20 s by itself took 165 s beside four busy loops. Tests name a limit of their own only where theirs is longer.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    teardownTimeout: 20_000,
    // A busy machine may take seconds to notice that a socket has closed; a state that never comes still fails.
    expect: { poll: { timeout: 60_000, interval: 50 } },
    reporters: ['default'],
  },
});
