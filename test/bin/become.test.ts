import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from '@jest/globals';

const MODULE = new URL('../../bin/become.js', import.meta.url).href;

/** A process that becomes another one, which runs `code`. */
function becoming(code: string): Script {
  return script(`import { become } from '${MODULE}'; become(process.execPath, ['--eval', ${JSON.stringify(code)}]);`);
}

type Script = ChildProcess & { stdout: NonNullable<ChildProcess['stdout']> };

function script(code: string): Script {
  return spawn(process.execPath, ['--input-type=module', '--eval', code], { stdio: ['ignore', 'pipe', 'inherit'] });
}

test('an exit code passes through', async () => {
  expect(await once(becoming('process.exit(7)'), 'exit')).toEqual([7, null]);
});

test('the signal that ended the command ends this process', async () => {
  expect(await once(becoming("process.kill(process.pid, 'SIGKILL')"), 'exit')).toEqual([null, 'SIGKILL']);
});

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s reaches the command, which decides', async (signal) => {
  const child = becoming(
    `process.on('${signal}', () => process.exit(9)); setTimeout(() => {}, 20_000); process.stdout.write('up');`,
  );
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  child.kill(signal);
  expect(await ended).toEqual([9, null]);
});

test('a command ends in order when the process that became it was killed', async () => {
  const code = `import { endWithParent } from '${MODULE}'; endWithParent();
    process.on('SIGTERM', () => { process.stdout.write(' ended'); process.exit(); });
    setTimeout(() => {}, 20_000); process.stdout.write('up' + process.env.VERITAPE_BECOME_PARENT);`;
  const arguments_ = JSON.stringify(['--input-type=module', '--eval', code]);
  const child = script(
    `import { become, withParent } from '${MODULE}'; become(process.execPath, ${arguments_}, withParent());`,
  );
  let written = '';
  child.stdout.on('data', (text: Buffer) => {
    written += text.toString();
    if (written === 'upundefined') child.kill('SIGKILL');
  });
  await once(child, 'close');
  expect(written).toBe('upundefined ended');
});

test('a command that cannot be started is an environment fault', async () => {
  const script = `import { become } from '${MODULE}'; become('/nowhere/node', []);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  expect(await once(child, 'exit')).toEqual([3, null]);
});
