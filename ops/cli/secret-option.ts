import type { Option } from 'commander';

const secrets = new WeakSet<Option>();

/** Marks an option whose value nobody is shown. */
export function secretOption(option: Option): Option {
  secrets.add(option);
  return option;
}

export function isSecret(option: Option): boolean {
  return secrets.has(option);
}
