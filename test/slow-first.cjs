const { statSync } = require('node:fs');

/**
 * In which order Jest runs the files: those that take long at first, so that no worker is left alone with one in the end, then the
 * larger ones. What Jest remembers of earlier runs is not there in a fresh clone.
 */
const SLOW = [
  'faults/standby.test.ts',
  'ops/readme.test.ts',
  'ops/drill/drill.test.ts',
  'faults/three-hosts.test.ts',
  'ops/proving/following.test.ts',
  'ops/runbooks.test.ts',
  'ops/proving.test.ts',
  'faults/cluster-kill.test.ts',
  'model.test.ts',
  'ops/verify.test.ts',
];

module.exports = class SlowFirst {
  sort(tests) {
    const weighed = tests.map((one) => ({ one, rank: rankOf(one.path), bytes: statSync(one.path).size }));
    return weighed.sort((a, b) => a.rank - b.rank || b.bytes - a.bytes).map(({ one }) => one);
  }

  allFailedTests(tests) {
    return tests;
  }

  cacheResults() {}
};

function rankOf(path) {
  const place = SLOW.findIndex((slow) => path.endsWith(`/test/${slow}`));
  return place === -1 ? SLOW.length : place;
}
