import { type Command, InvalidArgumentError, Option } from 'commander';
import { closestMatch } from 'leven';
import { parse as parseToml, TomlError } from 'smol-toml';
import { UsageError, withoutPasswords } from '../exit-codes.ts';
import { readNamedFile } from '../named-file.ts';
import type { Parser } from './arguments.ts';
import { isOfOneRun } from './run-option.ts';
import { isSecret } from './secret-option.ts';

/*
 * The options of a command are its settings: what `--help` lists can be given as an option, as a variable, or as a line of a
 * TOML file, by the same name and rule. Of several the first counts: option, variable of the command, variable of all commands,
 * the command's table in the file, the lines above all tables, default.
 */

/** Options that are about one run of any command, and no settings. */
const NO_SETTINGS: readonly string[] = ['json', 'settings'];
const SETTINGS_VARIABLE = 'VERITAPE_SETTINGS';
/** Letters that a name may differ in and still be offered for another one. */
const NEAR_LETTERS_MAX = 3;
/** Read and write of whoever is neither the owner nor of the group. */
const EVERYBODY = 0o006;

export type SettingKind = 'switch' | 'value' | 'list';

export interface Setting {
  /** As in `--name`, and in a file. */
  readonly name: string;
  readonly kind: SettingKind;
  /** Completes "It must be …". */
  readonly rule: string;
  readonly description: string;
  readonly default: unknown;
  readonly isRequired: boolean;
  /** Environment variables, the first of which counts before the second. */
  readonly variables: readonly string[];
  readonly isSecret: boolean;
  /** Under which commander keeps the value. */
  readonly key: string;
  readonly option: Option;
}

/** Where a value comes from: a variable's name, a file with the table in it, or the default. */
export interface EffectiveSetting {
  readonly setting: Setting;
  readonly value: unknown;
  /** The value as a line of a file has it, without what is secret. Undefined if there is none. */
  readonly shown: string | undefined;
  readonly from: string;
}

/** TOML, read and not checked yet. */
export interface SettingsFile {
  readonly path: string;
  /** The bits of its permissions. */
  readonly mode: number;
  readonly tables: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Lines above all tables: of every command that has such a setting. */
  readonly shared: Readonly<Record<string, unknown>>;
}

export function addSettingsOption(command: Command): void {
  command.addOption(
    new Option('--settings <file>', 'TOML file with what is not given here: veritape config').env(SETTINGS_VARIABLE),
  );
}

/** What can be set of a command, in the order of its help. */
export function settingsOf(command: Command): Setting[] {
  return command.options
    .filter((option) => !NO_SETTINGS.includes(option.name()) && !isOfOneRun(option))
    .map((option) => settingOf(command, option));
}

function settingOf(command: Command, option: Option): Setting {
  const name = option.negate ? option.name().replace(/^no-/, '') : option.name();
  const kind = !option.required ? 'switch' : Array.isArray(option.defaultValue) ? 'list' : 'value';
  const own = `VERITAPE_${variablePart(command.name())}_${variablePart(name)}`;
  return {
    name,
    kind,
    rule: ruleOf(option, kind),
    description: option.description,
    default: kind === 'switch' ? option.negate : option.defaultValue,
    isRequired: option.mandatory,
    variables: option.envVar === undefined || option.envVar === own ? [own] : [own, option.envVar],
    isSecret: isSecret(option),
    key: option.attributeName(),
    option,
  };
}

function variablePart(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}

function ruleOf({ argChoices, parseArg }: Option, kind: SettingKind): string {
  if (kind === 'switch') return 'true or false';
  if (argChoices !== undefined) return `one of ${argChoices.join(', ')}`;
  if (parseArg !== undefined && 'rule' in parseArg) return (parseArg as unknown as Parser<unknown>).rule;
  return kind === 'list' ? 'a list of texts' : 'text';
}

/** The file that a command line or a variable names; undefined if there is none. */
export function settingsFileIn(args: readonly string[], environment: NodeJS.ProcessEnv): string | undefined {
  for (const [index, arg] of args.entries()) {
    if (arg === '--') break;
    if (arg === '--settings') return args[index + 1];
    if (arg.startsWith('--settings=')) return arg.slice('--settings='.length);
  }
  const named = environment[SETTINGS_VARIABLE];
  return named === '' ? undefined : named;
}

export function readSettingsFile(path: string): SettingsFile {
  const { text, mode } = readNamedFile(path, 'settings');
  let content: Record<string, unknown>;
  try {
    content = parseToml(text);
  } catch (error) {
    // What stands after the first line of the message are lines of the file, which may hold a secret.
    const [what = ''] = error instanceof TomlError ? error.message.split('\n') : [String(error)];
    throw new UsageError('settings', path, what, error instanceof TomlError ? error.line : undefined);
  }
  const tables: Record<string, Record<string, unknown>> = {};
  const shared: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(content)) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date))
      tables[name] = value as Record<string, unknown>;
    else shared[name] = value;
  }
  return { path, mode, tables, shared };
}

/** Refuses tables and shared lines of a file that no command has. */
export function checkNames(file: SettingsFile, schemas: ReadonlyMap<string, readonly Setting[]>): void {
  for (const table of Object.keys(file.tables)) {
    if (schemas.has(table)) continue;
    const names = [...schemas.keys()];
    throw new UsageError(file.path, `[${table}]`, `is no command with settings${nearest(table, names)}`);
  }
  const names = [...schemas.values()].flat().map(({ name }) => name);
  for (const name of Object.keys(file.shared))
    if (!names.includes(name))
      throw new UsageError(file.path, name, `is no setting of any command${nearest(name, names)}`);
}

/**
 * Gives a command the values of variables and of a file, before its arguments are parsed. Throws a {@link UsageError} at a name
 * that no setting of this command has and at a value that breaks its rule.
 */
export function applySettings(command: Command, file: SettingsFile | undefined, environment: NodeJS.ProcessEnv): void {
  for (const { setting, value, from } of givenSettings(command, file, environment)) {
    const { option, key, kind } = setting;
    // Not one of commander's own names of sources: of these it replaces values by its own reading of variables.
    command.setOptionValueWithSource(key, value, from);
    const parse = option.parseArg;
    // What a command line lists stands instead of this list, and is not added to it.
    if (kind === 'list' && parse !== undefined)
      option.parseArg = (text: string, before: unknown) => parse(text, before === value ? option.defaultValue : before);
  }
}

/** Every setting with its value and where that comes from, as if the command were called without options. */
export function effectiveSettings(
  command: Command,
  file: SettingsFile | undefined,
  environment: NodeJS.ProcessEnv,
): EffectiveSetting[] {
  const given = new Map(givenSettings(command, file, environment).map((one) => [one.setting.name, one]));
  return settingsOf(command).map(
    (setting) =>
      given.get(setting.name) ?? { setting, value: setting.default, shown: defaultOf(setting), from: 'default' },
  );
}

function givenSettings(
  command: Command,
  file: SettingsFile | undefined,
  environment: NodeJS.ProcessEnv,
): EffectiveSetting[] {
  const settings = settingsOf(command);
  refuseUnknown(command, settings, file, environment);
  const own = file?.tables[command.name()] ?? {};
  const given: EffectiveSetting[] = [];
  for (const setting of settings) {
    const { name } = setting;
    const variable = setting.variables.find((one) => environment[one] !== undefined && environment[one] !== '');
    const take = (raw: unknown, value: unknown, from: string): void => {
      given.push({ setting, value, shown: shownOf(setting, raw), from });
    };
    if (variable !== undefined) {
      const text = environment[variable] as string;
      take(text, ofText(setting, text, variable), variable);
    } else if (file !== undefined && Object.hasOwn(own, name)) {
      const place = `${file.path}: ${command.name()}.${name}`;
      refuseReadable(file, setting, own[name]);
      take(own[name], ofToml(setting, own[name], place), `${file.path} [${command.name()}]`);
    } else if (file !== undefined && Object.hasOwn(file.shared, name)) {
      refuseReadable(file, setting, file.shared[name]);
      take(file.shared[name], ofToml(setting, file.shared[name], `${file.path}: ${name}`), file.path);
    }
  }
  return given;
}

/** A file that everybody may read can not hold a secret: a setting that is one, or a URL with a password. */
function refuseReadable({ path, mode }: SettingsFile, setting: Setting, value: unknown): void {
  if ((mode & EVERYBODY) === 0) return;
  const text = typeof value === 'string' ? value : '';
  if (setting.isSecret || withoutPasswords(text) !== text)
    throw new UsageError(path, setting.name, 'everybody may read this file, and this is a secret: chmod 640');
}

/** The default as a line of a file has it. */
export function defaultOf(setting: Setting): string | undefined {
  return setting.default === undefined ? undefined : shownOf(setting, setting.default);
}

/** A default that is no value of an option, such as one that depends on others: told at the end of the description. */
const TOLD_DEFAULT = /\s*\(default: ([^()]*)\)$/;

/** What a setting is, and its default in words apart. */
export function explainedOf(setting: Setting): { readonly description: string; readonly default: string } {
  const { description } = setting;
  const told = TOLD_DEFAULT.exec(description)?.[1];
  return { description: description.replace(TOLD_DEFAULT, ''), default: defaultOf(setting) ?? told ?? 'none' };
}

function shownOf({ isSecret, kind }: Setting, raw: unknown): string {
  if (isSecret) return '(not shown)';
  if (kind === 'switch' || typeof raw === 'number') return String(raw);
  return JSON.stringify(raw, (_, value: unknown) => (typeof value === 'string' ? withoutPasswords(value) : value));
}

function refuseUnknown(
  command: Command,
  settings: readonly Setting[],
  file: SettingsFile | undefined,
  environment: NodeJS.ProcessEnv,
): void {
  const whose = `is no setting of veritape ${command.name()}`;
  const names = settings.map(({ name }) => name);
  for (const name of Object.keys(file?.tables[command.name()] ?? {}))
    if (!names.includes(name))
      throw new UsageError(`${file?.path}: [${command.name()}]`, name, `${whose}${nearest(name, names)}`);
  const variables = settings.flatMap((setting) => setting.variables);
  const prefix = `VERITAPE_${variablePart(command.name())}_`;
  for (const name of Object.keys(environment))
    if (name.startsWith(prefix) && !variables.includes(name))
      throw new UsageError('environment', name, `${whose}${nearest(name, variables)}`);
}

/** A variable's text: true and false of a switch, commas between what is listed. */
function ofText(setting: Setting, text: string, place: string): unknown {
  if (setting.kind === 'list')
    return text.split(',').reduce((list, one) => parsed(setting, one.trim(), place, list), setting.default);
  if (setting.kind === 'value') return parsed(setting, text, place);
  if (text === 'true' || text === 'false') return text === 'true';
  throw broken(setting, text, place);
}

function ofToml(setting: Setting, value: unknown, place: string): unknown {
  if (setting.kind === 'switch') {
    if (typeof value === 'boolean') return value;
  } else if (setting.kind === 'list') {
    if (Array.isArray(value) && value.every((one) => typeof one === 'string'))
      return value.reduce((list, one) => parsed(setting, one, place, list), setting.default);
  } else if (typeof value === 'string' || (typeof value === 'number' && setting.option.parseArg !== undefined)) {
    return parsed(setting, String(value), place);
  }
  throw broken(setting, value, place);
}

function parsed(setting: Setting, text: string, place: string, before?: unknown): unknown {
  const { parseArg } = setting.option;
  if (parseArg === undefined) return text;
  try {
    return parseArg(text, before);
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw broken(setting, text, place, error.message);
    if (error instanceof UsageError) throw new UsageError(place, error.value, error.rule);
    throw error;
  }
}

function broken(setting: Setting, value: unknown, place: string, why?: string): UsageError {
  const rule = why?.replace(/\.$/, '').replace(/^It must/, 'must') ?? `must be ${setting.rule}`;
  return new UsageError(place, setting.isSecret ? '(not shown)' : value, rule);
}

/** The name among others that somebody may have meant. */
function nearest(name: string, names: readonly string[]): string {
  const best = closestMatch(name, names, { maxDistance: NEAR_LETTERS_MAX });
  return best === undefined ? '' : `; the nearest is ${best}`;
}
