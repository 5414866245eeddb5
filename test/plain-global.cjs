const v8 = require('node:v8');
const vm = require('node:vm');
const { TestEnvironment } = require('jest-environment-node');

// As `veritape serve` has it for its threads; those of a venue in a test start as quickly.
v8.setFlagsFromString('--min-semi-space-size=4');

/**
 * Jest's environment for Node, in a context whose global object is an ordinary one. Jest has it behind a Proxy, to clean up what a file
 * leaves there: then every `Math`, `Uint32Array` and `BigInt` that code names is asked of that Proxy, which makes much of it several
 * times slower than it is anywhere else.
 */
module.exports = class PlainGlobal extends TestEnvironment {
  constructor(config, context) {
    const { createContext } = vm;
    vm.createContext = () => createContext(vm.constants.DONT_CONTEXTIFY);
    try {
      super(config, context);
    } finally {
      vm.createContext = createContext;
    }
  }
};
