import { Cache, Field, Poseidon, setBackend, UInt64, ZkProgram } from 'o1js';

/*
 * node steps.js STEPS CACHE VERIFICATIONS: proves STEPS steps with o1js, in a fresh process. Prints one JSON line for each
 * thing as soon as it is done. With 0 verifications it ends once the program is compiled.
 *
 * A step is what one row of the market circuit does: six memory accesses and ten comparisons of 64-bit numbers. Made
 * cheaper here than it can be: an access is one Poseidon permutation that takes address, value and time, as one element,
 * into a running commitment; nothing ties reads to writes. What is compared has its range checked once in a proof.
 */
const ACCESSES = 6;
const COMPARISONS = 10;

const [steps, folder, verifications] = process.argv.slice(2);
const count = Number(steps);
const tell = (news) => process.stdout.write(`${JSON.stringify(news)}\n`);

// Prebuilt machine code, where there is some for this machine; WebAssembly else.
const backend = await import(`@o1js/native-${process.platform}-${process.arch}`).then(
  () => 'native',
  () => 'wasm',
);
setBackend(backend);
tell({ backend });

const program = ZkProgram({
  name: 'steps',
  publicOutput: Field,
  methods: {
    run: {
      privateInputs: [Field, UInt64, UInt64],
      async method(access, low, high) {
        let commitment = access;
        for (let step = 0; step < count; step++) {
          for (let i = 0; i < ACCESSES; i++) commitment = Poseidon.hash([commitment, access]);
          for (let i = 0; i < COMPARISONS; i++) low.lessThanOrEqual(high);
        }
        return { publicOutput: commitment };
      },
    },
  },
});

await timed('compileMs', () => program.compile({ cache: Cache.FileSystem(folder) }));
if (Number(verifications) > 0) {
  const { proof } = await timed('proveMs', () => program.run(Field(1), UInt64.from(2), UInt64.from(3)));
  tell({ proofBytes: Buffer.from(proof.toJSON().proof, 'base64').length });
  for (let round = 0; round < Number(verifications); round++) {
    const valid = await timed('verifyMs', () => program.verify(proof));
    if (!valid) throw new Error('the proof is not valid');
  }
}
tell({ peakBytes: process.resourceUsage().maxRSS * 1024 });
// Its threads would keep the process alive.
process.exit();

async function timed(name, work) {
  const started = performance.now();
  const result = await work();
  tell({ [name]: performance.now() - started });
  return result;
}
