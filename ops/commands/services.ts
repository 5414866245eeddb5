import { Command } from 'commander';
import type { SettingsFile } from '../cli/settings.ts';

type Load = () => Promise<(program: Command) => void>;

/** Commands that run until they are told to end, and that take their settings from a file, too. */
export const SERVICES = {
  serve: async () => (await import('./serve.ts')).registerServe,
  follow: async () => (await import('./follow.ts')).registerFollow,
  fix: async () => (await import('./fix.ts')).registerFix,
  websocket: async () => (await import('./websocket.ts')).registerWebSocket,
  prove: async () => (await import('./prove.ts')).registerProve,
} as const satisfies Record<string, Load>;

export type ServiceName = keyof typeof SERVICES;
export const SERVICE_NAMES: readonly ServiceName[] = Object.keys(SERVICES).filter(isService);

export function isService(name: string | undefined): name is ServiceName {
  return name !== undefined && Object.hasOwn(SERVICES, name);
}

/** A service's command, to look at. */
export async function serviceCommand(name: ServiceName): Promise<Command> {
  const program = new Command('veritape');
  (await SERVICES[name]())(program);
  return commandOf(program, name);
}

/** Gives a service the settings of its file and of variables, before its arguments are parsed. */
export async function takeSettings(program: Command, name: ServiceName, args: readonly string[]): Promise<void> {
  const { addSettingsOption, applySettings, readSettingsFile, settingsFileIn } = await import('../cli/settings.ts');
  const command = commandOf(program, name);
  addSettingsOption(command);
  const path = settingsFileIn(args, process.env);
  const file = path === undefined ? undefined : readSettingsFile(path);
  applySettings(command, file, process.env);
  if (file !== undefined) await checkSettingsFile(file);
}

function commandOf(program: Command, name: ServiceName): Command {
  const command = program.commands.find((one) => one.name() === name);
  if (command === undefined) throw new Error(`${name} has registered no command of its name`);
  return command;
}

/** Refuses what no service understands. Loads the others, so only with a file. */
export async function checkSettingsFile(file: SettingsFile): Promise<void> {
  const { checkNames, settingsOf } = await import('../cli/settings.ts');
  const commands = await Promise.all(SERVICE_NAMES.map(serviceCommand));
  checkNames(file, new Map(commands.map((command) => [command.name(), settingsOf(command)])));
}
