export function isMatcherBuilt(): boolean;
export function writeCodes(): Promise<string>;
export function compileMatcher(): Promise<{ readonly wasm: Uint8Array; readonly text: string }>;
export function buildMatcher(): Promise<void>;
