#!/usr/bin/env node
import { existsSync } from 'node:fs';
import module from 'node:module';
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { become, endWithParent, withParent } from './become.js';
import { NODE_MAJOR_MIN, nodeMajor, pinnedNode, RUNTIME_PACKAGE } from './runtime.js';

// The command is TypeScript and runs on Node 24: this file is plain JavaScript, so that an older Node can get there.

const here = fileURLToPath(import.meta.url);

if (nodeMajor() >= NODE_MAJOR_MIN) {
  endWithParent();
  const emitWarning = process.emitWarning;
  process.emitWarning = (warning, ...rest) => {
    const type = typeof rest[0] === 'object' ? rest[0]?.type : rest[0];
    if (type !== 'ExperimentalWarning') Reflect.apply(emitWarning, process, [warning, ...rest]);
  };
  // Node strips types from a checkout's files but not from those under node_modules.
  const packed =
    here.includes(`${sep}node_modules${sep}`) || !existsSync(new URL('../ops/veritape.ts', import.meta.url));
  if (!packed) {
    // Or else every thread strips the types of every file anew, which is half of the time that a server takes to start.
    process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../.cache/compiled', import.meta.url));
    module.enableCompileCache?.(process.env.NODE_COMPILE_CACHE);
  }
  try {
    await (packed ? import('../dist/ops/veritape.js') : import('../ops/veritape.ts'));
  } catch (error) {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    const hint = packed ? '' : '\nIn a checkout, `npm ci` installs what is missing; `npm start` does so by itself.';
    process.stderr.write(`veritape: ${error.message}${hint}\n`);
    process.exitCode = 3;
  }
} else {
  const node = pinnedNode();
  if (node === undefined) {
    const carried = `the package ${RUNTIME_PACKAGE}, which carries one, is not installed`;
    const advice = `Run \`npm ci\` (with optional packages), or install Node ${NODE_MAJOR_MIN}.`;
    const lack = `this is ${process.version}, and ${carried}`;
    process.stderr.write(`veritape: needs Node ${NODE_MAJOR_MIN} or later; ${lack}. ${advice}\n`);
    process.exitCode = 3;
  } else {
    become(node, ['--disable-warning=ExperimentalWarning', here, ...process.argv.slice(2)], withParent());
  }
}
