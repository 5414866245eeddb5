import { globalMember, isNode, nameIn, type Rule, type SyntaxNode, sourcesOf, textFiles, walk } from './tree.ts';

/** The samples of what must be caught are in these, so the rules that read plain text leave them out. */
const SAMPLES = /^test\/tidy(\.test\.ts$|\/)/;

const TESTS = ['test', 'it', 'describe'];
const TESTS_SET_ASIDE = ['fit', 'fdescribe', 'xit', 'xtest', 'xdescribe'];

/** Syntax that Node cannot run by leaving the types away, or that changes what a type means. */
const NOT_ERASABLE: Readonly<Record<string, string>> = {
  TsEnumDeclaration: 'enum',
  TsImportEqualsDeclaration: 'import =',
  TsExportAssignment: 'export =',
  TsNamespaceExportDeclaration: 'export as namespace',
  TsParameterProperty: 'parameter property',
  TsTypeAssertion: '<type>value',
  Decorator: 'decorator',
};

/** Syntax that is not used here: `any`, `!`, default exports, and what type stripping cannot remove. */
export const syntax: Rule = (tree) => {
  const found: string[] = [];
  for (const source of sourcesOf(tree)) {
    walk(source.module, (node) => {
      const what = unwanted(node);
      const settings = /^[\w.-]+\.config\.js$/.test(source.path) && what === 'default export';
      // Types are not stripped from the state transition: its compiler is another one.
      const record = source.path.startsWith('replicas/transition/') && what === 'decorator';
      if (what !== undefined && !settings && !record) found.push(`${source.path}:${source.lineOf(node)}: ${what}`);
      return undefined;
    });
  }
  return found;
};

function unwanted(node: SyntaxNode): string | undefined {
  if (node.type === 'TsKeywordType' && node['kind'] === 'any') return 'any';
  if (node.type === 'TsNonNullExpression') return 'non-null !';
  if (node.type === 'ExportDefaultExpression' || node.type === 'ExportDefaultDeclaration') return 'default export';
  if (node.type === 'ExportNamedDeclaration') {
    const names = (node['specifiers'] as SyntaxNode[]).map((specifier) => nameIn(specifier['exported']));
    return names.includes('default') ? 'default export' : undefined;
  }
  if (node.type === 'TsModuleDeclaration' && node['declare'] !== true) return 'namespace';
  return NOT_ERASABLE[node.type];
}

/** No test is set aside or alone. `found ? test : test.skip` is allowed: it says what the machine lacks. */
export const wholeSuite: Rule = (tree) => {
  const found: string[] = [];
  for (const source of sourcesOf(tree)) {
    if (!source.path.startsWith('test/')) continue;
    walk(source.module, (node, around) => {
      const named = node.type === 'CallExpression' ? nameIn(node['callee']) : undefined;
      if (named !== undefined && TESTS_SET_ASIDE.includes(named))
        found.push(`${source.path}:${source.lineOf(node)}: ${named}`);
      if (node.type !== 'MemberExpression') return undefined;
      const property = nameIn(node['property']);
      const depends = property === 'skip' && around.at(-1)?.type === 'ConditionalExpression';
      if (
        isNode(node['object']) &&
        testName(node['object']) &&
        (property === 'only' || property === 'skip') &&
        !depends
      ) {
        found.push(`${source.path}:${source.lineOf(node)}: .${property}`);
      }
      return undefined;
    });
  }
  return found;
};

function testName(node: SyntaxNode): boolean {
  const name = nameIn(node) ?? nameIn(node['property']);
  return name !== undefined && [...TESTS, 'concurrent', 'failing'].includes(name);
}

/** Everything that is thought of is in the issues or done. */
export const openNotes: Rule = (tree) => matches(tree, /\b(TODO|FIXME|XXX)\b/, 'is an open note');

/** Nothing depends on, or tells, where somebody keeps their files. */
export const machinePaths: Rule = (tree) =>
  matches(tree, /(?<![\w.:/-])\/(?:home|root|Users)\/[\w.-]+|\b[A-Z]:\\Users\\/, "is a path of somebody's machine");

function matches(tree: Parameters<Rule>[0], pattern: RegExp, what: string): string[] {
  return textFiles(tree, /^(?!package-lock\.json$|LICENSE$)/)
    .filter(([path]) => !SAMPLES.test(path))
    .flatMap(([path, text]) =>
      text.split('\n').flatMap((line, index) => {
        const match = pattern.exec(line);
        return match === null ? [] : [`${path}:${index + 1}: "${match[0]}" ${what}`];
      }),
    );
}

export const lineEnds: Rule = (tree) =>
  [...tree].flatMap(([path, text]) => {
    if (text !== '' && !text.endsWith('\n')) return [`${path}:${text.split('\n').length}: no newline at the end`];
    return text.includes('\r') ? [`${path}:1: has carriage returns`] : [];
  });

/** Prints go through the logger or a stream that the caller chose; only benches and commands write to the terminal. */
export const noConsole: Rule = (tree) => {
  const found: string[] = [];
  for (const source of sourcesOf(tree)) {
    walk(source.module, (node) => {
      const name = globalMember(node);
      if (name?.startsWith('console.')) found.push(`${source.path}:${source.lineOf(node)}: ${name}`);
      return undefined;
    });
  }
  return found;
};
