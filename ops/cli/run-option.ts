import type { Command, Option } from 'commander';

const ofOneRun = new WeakSet<Option>();

/** Marks options of a service that are about one run, and so no settings. */
export function runOptions(command: Command, ...names: readonly string[]): void {
  for (const option of command.options) if (names.includes(option.name())) ofOneRun.add(option);
}

export function isOfOneRun(option: Option): boolean {
  return ofOneRun.has(option);
}
