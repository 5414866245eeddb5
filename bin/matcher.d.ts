export function isMatcherBuilt(): boolean;
export function writeCodes(): Promise<string>;
export function buildMatcher(): Promise<void>;
