import { expect, test } from '@jest/globals';
import { Command } from 'commander';
import {
  addBackupOption,
  addTelemetryOptions,
  type TelemetryCommandOptions,
  telemetrySettingsOf,
} from '../../../ops/cli/telemetry-options.ts';
import type { TelemetrySettings } from '../../../ops/telemetry/process-telemetry.ts';

function settingsFrom(...args: string[]): TelemetrySettings {
  const command = addTelemetryOptions(new Command().exitOverride().configureOutput({ writeErr: () => {} }), true);
  return telemetrySettingsOf(addBackupOption(command).parse(args, { from: 'user' }).opts<TelemetryCommandOptions>());
}

test('a place is a port of the loopback interface, or an address and a port', () => {
  expect(settingsFrom('--telemetry', '9464').place).toEqual({ host: '127.0.0.1', port: 9464 });
  expect(settingsFrom('--telemetry', '127.0.0.2:1').place).toEqual({ host: '127.0.0.2', port: 1 });
  expect(settingsFrom('--telemetry', '[::1]:9464').place).toEqual({ host: '::1', port: 9464 });
  expect(settingsFrom('--telemetry', 'metrics.example:80', '--telemetry-unprotected').place).toEqual({
    ...{ host: 'metrics.example', port: 80 },
  });
  expect(settingsFrom().place).toBeUndefined();
  for (const wrong of ['', '127.0.0.1', '65536', '::1:9464', '[no]:1', 'a:b'])
    expect(() => settingsFrom('--telemetry', wrong)).toThrow('It must be HOST:PORT, [IPv6]:PORT or PORT');
});

test('options that need another one say so, and so do values that break their rule', () => {
  expect(settingsFrom('--otlp', 'http://127.0.0.1:4318', '--trace-every', '65536')).toMatchObject({
    otlp: 'http://127.0.0.1:4318',
    traceEvery: 65_536,
  });
  expect(settingsFrom('--telemetry', '0', '--telemetry-name', 'a', '--telemetry-name', 'b').guard?.names).toEqual([
    'a',
    'b',
  ]);
  expect(() => settingsFrom('--telemetry-name', 'a')).toThrow('telemetry-name: "a": is of use only with --telemetry');
  expect(settingsFrom('--telemetry', '0', '--drills', 'drills').drills).toBe('drills');
  expect(() => settingsFrom('--drills', 'drills')).toThrow('drills: "drills": is of use only with --telemetry');
  expect(settingsFrom('--otlp', 'http://a', '--backup', 'backup').backup).toBe('backup');
  expect(() => settingsFrom('--backup', 'b')).toThrow('backup: "b": is of use only with --telemetry or --otlp');
  expect(() => settingsFrom('--trace-every', '64')).toThrow('trace-every: 64: is of use only with --otlp');
  for (const wrong of ['63', '100', '32', '2147483648', '64.0'])
    expect(() => settingsFrom('--trace-every', wrong)).toThrow('It must be a power of two from 64');
  for (const wrong of ['127.0.0.1:4318', 'grpc://a'])
    expect(() => settingsFrom('--otlp', wrong)).toThrow('It must be a URL');
});
