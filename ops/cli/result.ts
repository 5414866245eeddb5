import { UsageError, withoutPasswords } from '../exit-codes.ts';
import { TextOutput } from './text-output.ts';

let printed = false;

/** Writes a command's result to the standard output: one JSON object on a line, or the text for people. */
export async function printResult(result: object, asJson: boolean, text: () => string): Promise<void> {
  printed = true;
  const output = new TextOutput(process.stdout);
  output.add(`${asJson ? JSON.stringify(result) : text()}\n`);
  await output.end();
}

/** With --json, a command that came to no result ends with this one. */
export async function printFailure(error: Error, exitCode: number): Promise<void> {
  if (printed) return;
  const fields = error instanceof UsageError ? usageFields(error) : {};
  await printResult({ error: { message: error.message, exitCode, ...fields } }, true, () => '');
}

/** What a program needs of a UsageError. */
export function usageFields({ line, field, value, rule }: UsageError): object {
  return { line, field, value: withoutSecrets(value), rule };
}

function withoutSecrets(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  const text = JSON.stringify(value);
  return text === undefined ? undefined : JSON.parse(withoutPasswords(text));
}
