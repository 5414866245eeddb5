/** The part of the platform's interface that is used here: TypeScript has it only together with the browser's DOM. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>);
  }

  class Memory<out Buffer extends ArrayBufferLike = ArrayBufferLike> {
    constructor(limits: { initial: number; maximum: number; shared?: Buffer extends SharedArrayBuffer ? true : false });
    readonly buffer: Buffer;
    grow(pages: number): number;
  }

  type Import = Memory | (() => void);

  class Instance {
    constructor(module: Module, imports: Readonly<Record<string, Readonly<Record<string, Import>>>>);
    readonly exports: Readonly<Record<string, unknown>>;
  }
}
