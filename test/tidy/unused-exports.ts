import { boundNames, isNode, nameIn, type Rule, type Source, type SyntaxNode, sourcesOf, walk } from './tree.ts';

/** What others import from the package, and what becomes a module of WebAssembly: exports need no importer here. */
const PUBLIC_API = [
  'index.ts',
  'client.ts',
  'verify.ts',
  'replicas/transition/market.ts',
  'replicas/transition/codes.ts',
];
/** Tools look for their settings in the default export. */
const SETTINGS = /^[\w.-]+\.config\.js$/;

export const unusedExports: Rule = (tree) => {
  const sources = sourcesOf(tree);
  const used = new Map<string, Set<string>>();
  for (const { references } of sources) {
    for (const { path, names } of references) {
      if (path === undefined) continue;
      const known = used.get(path) ?? new Set();
      for (const name of names) known.add(name);
      used.set(path, known);
    }
  }
  return sources.flatMap((source) => {
    // A declaration file says again what its JavaScript exports.
    if (
      source.path.endsWith('.d.ts') ||
      PUBLIC_API.includes(source.path) ||
      SETTINGS.test(source.path) ||
      used.get(source.path)?.has('*')
    )
      return [];
    return exportsOf(source)
      .filter(({ name }) => !used.get(source.path)?.has(name) && !isPartOfAnother(source, name))
      .map(({ name, node }) => `${source.path}:${source.lineOf(node)}: nothing imports ${name}: do not export it`);
  });
};

function exportsOf(source: Source): { name: string; node: SyntaxNode }[] {
  return (source.module['body'] as SyntaxNode[]).flatMap((node) => {
    if (node.type === 'ExportDeclaration') return declaredNames(node['declaration']).map((name) => ({ name, node }));
    if (node.type === 'ExportNamedDeclaration') {
      return (node['specifiers'] as SyntaxNode[]).map((specifier) => {
        const name = nameIn(specifier['exported']) ?? nameIn(specifier['orig']) ?? nameIn(specifier['name']) ?? '*';
        return { name, node };
      });
    }
    return [];
  });
}

/** A type that another export of its file speaks of comes with that export. */
function isPartOfAnother(source: Source, name: string): boolean {
  return (source.module['body'] as SyntaxNode[]).some((node) => {
    let spokenOf = false;
    if (node.type !== 'ExportDeclaration' || declaredNames(node['declaration']).includes(name)) return false;
    walk(node, (inner) => {
      const type = inner.type === 'TsTypeReference' ? inner['typeName'] : inner['expression'];
      if (inner.type.startsWith('Ts') && nameIn(type) === name) spokenOf = true;
      return inner.type !== 'FunctionBody';
    });
    return spokenOf;
  });
}

function declaredNames(declaration: unknown): string[] {
  if (!isNode(declaration)) return [];
  if (declaration.type === 'VariableDeclaration') {
    return (declaration['declarations'] as SyntaxNode[]).flatMap((one) => boundNames(one['id']));
  }
  const name = nameIn(declaration['identifier'] ?? declaration['id']);
  return name === undefined ? [] : [name];
}
