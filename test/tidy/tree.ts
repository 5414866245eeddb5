import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Module, parseSync } from '@swc/core';

/** Every file that is or would be committed: its path from the root, and its text. */
export type Tree = ReadonlyMap<string, string>;

/** A rule tells what it finds, one line each: `path:line: what is wrong`. */
export type Rule = (tree: Tree) => string[];

export function readTree(): Tree {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const list = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], { cwd: root, encoding: 'utf8' });
  const tree = new Map<string, string>();
  for (const path of new Set(list.split('\0'))) {
    // A file that is deleted but not yet committed is still listed.
    if (path === '' || !existsSync(`${root}${path}`)) continue;
    const bytes = readFileSync(`${root}${path}`);
    if (!bytes.includes(0)) tree.set(path, bytes.toString('utf8'));
  }
  return tree;
}

/** A file, or a folder with a file in it. */
export function exists(tree: Tree, path: string): boolean {
  const folder = path === '.' ? '' : `${path.replace(/\/$/, '')}/`;
  return tree.has(path) || [...tree.keys()].some((one) => one.startsWith(folder));
}

export function textFiles(tree: Tree, pattern: RegExp): [path: string, text: string][] {
  return [...tree].filter(([path]) => pattern.test(path));
}

/** A node of SWC's syntax tree. */
export interface SyntaxNode {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** How one file names another. `names` are the exports it uses; `*` stands for all of them. */
export interface Reference {
  /** As written: './blocks.ts', 'lmdb', 'node:fs'. */
  readonly specifier: string;
  /** Path from the root, if it is a file of the project. */
  readonly path: string | undefined;
  readonly names: readonly string[];
  /** Erased when the types are. */
  readonly typeOnly: boolean;
  readonly kind: 'import' | 'dynamic' | 'url' | 'thread';
  readonly line: number;
}

export interface Source {
  readonly path: string;
  readonly module: SyntaxNode;
  readonly references: readonly Reference[];
  lineOf(node: SyntaxNode): number;
}

const parsed = new Map<string, Source>();

/** All TypeScript and JavaScript of the tree. */
export function sourcesOf(tree: Tree): Source[] {
  return [...tree].filter(([path]) => /\.[cm]?[jt]s$/.test(path)).map(([path, text]) => parse(path, text));
}

function parse(path: string, text: string): Source {
  const key = `${path}\0${text}`;
  const known = parsed.get(key);
  if (known !== undefined) return known;
  const syntax = /\.[cm]?ts$/.test(path) ? 'typescript' : 'ecmascript';
  // The state transition is written for another compiler, with marks on its records.
  let module: Module;
  try {
    module = parseSync(text, { syntax, decorators: true, target: 'es2024' });
  } catch (error) {
    throw new SyntaxError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const bytes = Buffer.from(text);
  const source: Source = {
    path,
    module: module as unknown as SyntaxNode,
    references: [],
    lineOf(node) {
      // Spans count bytes from 1.
      const { start } = node['span'] as { start: number };
      let line = 1;
      for (let at = bytes.indexOf(10); at !== -1 && at < start - 1; at = bytes.indexOf(10, at + 1)) line++;
      return line;
    },
  };
  const whole = { ...source, references: findReferences(source) };
  parsed.set(key, whole);
  return whole;
}

/**
 * Visits every node, outer ones first, with those around it, in a list that changes after the visit. A visit that gives false
 * leaves out the inside.
 */
export function walk(
  from: unknown,
  visit: (node: SyntaxNode, around: readonly SyntaxNode[]) => boolean | undefined,
  around: SyntaxNode[] = [],
): void {
  if (typeof from !== 'object' || from === null) return;
  const isOne = isNode(from);
  if (isOne) {
    if (visit(from, around) === false) return;
    around.push(from);
  }
  for (const field of Object.keys(from)) if (field !== 'span') walk((from as SyntaxNode)[field], visit, around);
  if (isOne) around.pop();
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

/** The text of an identifier or a string, of a property name or a private name. */
export function nameIn(value: unknown): string | undefined {
  if (!isNode(value)) return undefined;
  if (value.type === 'Identifier' || value.type === 'StringLiteral') return value['value'] as string;
  if (value.type === 'PrivateName') return nameIn(value['id']) ?? (value['value'] as string | undefined);
  if (value.type === 'Computed') return nameIn(value['expression']);
  return undefined;
}

/** An identifier that nothing in the file declares: SWC gives such names the mark 1. */
export function isGlobal(node: SyntaxNode): boolean {
  return node.type === 'Identifier' && node['ctxt'] === 1;
}

/** The name of a node if it is `object.property` on a global object: 'Math.floor'. */
export function globalMember(node: unknown): string | undefined {
  if (!isNode(node) || node.type !== 'MemberExpression') return undefined;
  const object = node['object'];
  const property = nameIn(node['property']);
  return isNode(object) && isGlobal(object) && property !== undefined ? `${nameIn(object)}.${property}` : undefined;
}

/** Names that a binding introduces: a plain one, or those inside a pattern. */
export function boundNames(pattern: unknown): string[] {
  const names: string[] = [];
  walk(pattern, (node) => {
    if (node.type === 'Identifier') names.push(node['value'] as string);
    if (node.type === 'KeyValuePatternProperty') {
      names.push(...boundNames(node['value']));
      return false;
    }
    if (node.type === 'AssignmentPattern') {
      names.push(...boundNames(node['left']));
      return false;
    }
    if (node.type === 'AssignmentPatternProperty') {
      names.push(...boundNames(node['key']));
      return false;
    }
    return !node.type.startsWith('Ts');
  });
  return names;
}

function findReferences(source: Source): Reference[] {
  const found: Reference[] = [];
  const add = (
    node: SyntaxNode,
    specifier: unknown,
    kind: Reference['kind'],
    names: string[],
    typeOnly = false,
  ): void => {
    if (typeof specifier !== 'string') return;
    const relative = /^\.\.?\//.test(specifier);
    const path = relative ? posix.join(posix.dirname(source.path), specifier) : undefined;
    found.push({ specifier, path, names, typeOnly, kind, line: source.lineOf(node) });
  };
  walk(source.module, (node) => {
    const from = isNode(node['source']) ? node['source']['value'] : undefined;
    if (node.type === 'ImportDeclaration') {
      const names = (node['specifiers'] as SyntaxNode[]).map((specifier) => {
        if (specifier.type === 'ImportNamespaceSpecifier') return '*';
        if (specifier.type === 'ImportDefaultSpecifier') return 'default';
        return nameIn(specifier['imported']) ?? nameIn(specifier['local']) ?? '*';
      });
      add(node, from, 'import', names, node['typeOnly'] === true);
    } else if (node.type === 'ExportNamedDeclaration' && from !== undefined) {
      const names = (node['specifiers'] as SyntaxNode[]).map((specifier) => nameIn(specifier['orig']) ?? '*');
      add(node, from, 'import', names, node['typeOnly'] === true);
    } else if (node.type === 'ExportAllDeclaration') {
      add(node, from, 'import', ['*'], node['typeOnly'] === true);
    } else if (node.type === 'TsImportType') {
      const argument = node['argument'];
      add(node, isNode(argument) ? argument['value'] : undefined, 'import', ['*'], true);
    } else if (node.type === 'CallExpression' || node.type === 'NewExpression') {
      const values = ((node['arguments'] ?? []) as { expression: SyntaxNode }[]).map(({ expression }) => expression);
      const texts = values.map((value) => (value.type === 'StringLiteral' ? value['value'] : undefined));
      const callee = node['callee'];
      if (isNode(callee) && callee.type === 'Import') add(node, texts[0], 'dynamic', ['*']);
      else if (nameIn(callee) === 'URL' && values[1]?.type === 'MemberExpression') add(node, texts[0], 'url', []);
      else if (nameIn(callee) === 'threadEntry' && typeof texts[1] === 'string') {
        add(node, `${texts[1]}.ts`, 'thread', []);
      }
    }
    return undefined;
  });
  return found;
}
