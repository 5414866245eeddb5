import { spawn } from 'node:child_process';
import { NamespaceHosts } from '../namespace-hosts.ts';

// Makes two hosts with a process in one of them, prints its id and the names of the namespaces, and waits to be killed.

const hosts = await NamespaceHosts.create(['a', 'b'], process.argv[2] ?? '', 1);
const [program = '', ...args] = [...hosts.within('a'), 'sleep', '600'];
const sleeper = spawn(program, args, { stdio: 'ignore' });
while (!(await hosts.processesOf('a')).includes(sleeper.pid ?? 0));
process.stdout.write(`${JSON.stringify({ pid: sleeper.pid, namespaces: hosts.namespaces })}\n`);
