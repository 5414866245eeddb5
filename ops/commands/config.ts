import { Argument, type Command } from 'commander';
import { withExamples } from '../cli/arguments.ts';
import { printResult } from '../cli/result.ts';
import {
  addSettingsOption,
  defaultOf,
  type EffectiveSetting,
  effectiveSettings,
  explainedOf,
  readSettingsFile,
  type Setting,
  settingsFileIn,
  settingsOf,
} from '../cli/settings.ts';
import { checkSettingsFile, SERVICE_NAMES, type ServiceName, serviceCommand } from './services.ts';

interface ConfigOptions {
  readonly settings?: string;
  readonly explain?: boolean;
  readonly template?: boolean;
  readonly json?: boolean;
}

const LINE_CHARACTERS = 100;

export function registerConfig(program: Command): void {
  const command = program
    .command('config')
    .description(
      'Settings of services. Each can be given as an option, as a variable of the environment, or as a line of a TOML file; ' +
        'the first of these counts. Without options of its own this command says which settings are not as by default, and ' +
        'refuses, as the service would, what is unknown or breaks its rule.',
    )
    .addArgument(new Argument('[service]', 'of this service; of all unless given').choices(SERVICE_NAMES))
    .option('--explain', 'every setting: what it is, its rule, its value, where that comes from')
    .option('--template', 'print a file with every setting and its default, each in a comment')
    .option('--json', 'print the settings as one JSON object');
  addSettingsOption(command);
  command.action((service: ServiceName | undefined, options: ConfigOptions) => config(service, options));
  withExamples(
    command,
    'veritape config serve --template > venue.toml',
    'veritape config --settings venue.toml && veritape serve --settings venue.toml',
    'VERITAPE_SERVE_REPLICAS=3 veritape config serve --explain',
  );
}

async function config(service: ServiceName | undefined, options: ConfigOptions): Promise<void> {
  const names = service === undefined ? SERVICE_NAMES : [service];
  const commands = await Promise.all(names.map(serviceCommand));
  if (options.template === true) {
    const settings = new Map(commands.map((command) => [command.name(), settingsOf(command)]));
    return printResult(Object.fromEntries(settings), options.json === true, () => template(settings));
  }
  const path = options.settings ?? settingsFileIn([], process.env);
  const file = path === undefined ? undefined : readSettingsFile(path);
  const effective = new Map(commands.map((command) => [command.name(), effectiveSettings(command, file, process.env)]));
  if (file !== undefined) await checkSettingsFile(file);
  const result = Object.fromEntries([...effective].map(([name, settings]) => [name, settings.map(asJson)]));
  const text = options.explain === true ? explanation : differences;
  await printResult(result, options.json === true, () => text(effective));
}

function asJson({ setting, shown, from }: EffectiveSetting): object {
  const { name, rule, description, variables, isRequired } = setting;
  return { name, value: shown, from, default: defaultOf(setting), rule, description, variables, required: isRequired };
}

function differences(services: ReadonlyMap<string, readonly EffectiveSetting[]>): string {
  const lines: string[] = [];
  for (const [service, settings] of services) {
    const given = settings.filter(({ from }) => from !== 'default');
    lines.push(`[${service}]${given.length === 0 ? '  # all as by default' : ''}`);
    for (const { setting, shown, from } of given) lines.push(`${setting.name} = ${shown}  # ${from}`);
    const missing = settings.filter(({ setting, shown }) => setting.isRequired && shown === undefined);
    if (missing.length > 0) lines.push(`# must be given: ${missing.map(({ setting }) => setting.name).join(', ')}`);
    lines.push('');
  }
  return lines.join('\n').trimEnd();
}

function explanation(services: ReadonlyMap<string, readonly EffectiveSetting[]>): string {
  const parts: string[] = [];
  for (const [service, settings] of services) {
    parts.push(`veritape ${service}`);
    for (const { setting, shown, from } of settings) {
      const value = shown ?? (setting.isRequired ? 'missing' : 'not set');
      const { description, default: byDefault } = explainedOf(setting);
      parts.push(
        '',
        `  ${setting.name}: ${value}  (${from})`,
        ...wrapped(description, '    '),
        ...wrapped(`must be ${setting.rule}; default ${byDefault}; or ${setting.variables.join(', ')}`, '    '),
      );
    }
    parts.push('');
  }
  return parts.join('\n').trimEnd();
}

function template(services: ReadonlyMap<string, readonly Setting[]>): string {
  const lines = [
    '# Settings of Veritape. A line above all [tables] counts for every service that has such a setting.',
    '# Options and variables of the environment count before this file. Check it with: veritape config --settings FILE',
    '',
  ];
  for (const [service, settings] of services) {
    lines.push(`[${service}]`, '');
    for (const setting of settings) {
      lines.push(...wrapped(`${setting.description}. Must be ${setting.rule}.`, '# '));
      const value = setting.option.defaultValueDescription === undefined ? defaultOf(setting) : undefined;
      lines.push(value === undefined ? `# ${setting.name} =` : `# ${setting.name} = ${value}`, '');
    }
  }
  return lines.join('\n').trimEnd();
}

function wrapped(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    if (line.length + word.length > LINE_CHARACTERS && line !== indent) {
      lines.push(line.trimEnd());
      line = indent;
    }
    line += `${word} `;
  }
  lines.push(line.trimEnd());
  return lines;
}
