import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const PARENT_CHECK_MS = 250;
/** Names the process that became this one. */
const PARENT = 'VERITAPE_BECOME_PARENT';

/**
 * Runs a command in this process's place, as nearly as Node 18 can: the same terminal, signals passed on, and this
 * process ends with the command's exit code or by the command's signal. Under an npm script the command also ends when
 * npm's shell is gone: npm hands its own signal to that shell, which dies of it and tells nobody.
 */
export function become(command, args, env = process.env) {
  const child = spawn(command, args, { stdio: 'inherit', env });
  const onTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      // Ctrl-C goes to the terminal's whole foreground group: the command has it already.
      if (signal !== 'SIGINT' || !onTerminal) child.kill(signal);
    });
  }
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    child.kill('SIGTERM');
  }, PARENT_CHECK_MS);
  if (env.npm_lifecycle_event === undefined) clearInterval(watch);
  child.on('error', (error) => {
    process.stderr.write(`veritape: cannot start ${command}: ${error.message}\n`);
    process.exit(3);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    for (const forwarded of FORWARDED) process.removeAllListeners(forwarded);
    process.kill(process.pid, signal);
    // Some signals do not end a process (Windows, or one that was ignored when this process started).
    setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 200);
  });
}

/** The environment for a command that calls {@link endWithParent}. */
export const withParent = () => ({ ...process.env, [PARENT]: String(process.pid) });

/**
 * SIGKILL can not be passed on: what was become ends in order when the process that became it is gone. Otherwise whoever kills
 * the one whose id they have leaves the other running. Does nothing in a process that is itself what was started.
 */
export function endWithParent() {
  const parent = Number(process.env[PARENT]);
  delete process.env[PARENT];
  if (!Number.isInteger(parent)) return;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, PARENT_CHECK_MS);
  watch.unref();
}
