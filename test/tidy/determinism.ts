import {
  globalMember,
  isGlobal,
  isNode,
  nameIn,
  type Rule,
  type Source,
  type SyntaxNode,
  sourcesOf,
  walk,
} from './tree.ts';

/** The state transition. It depends on nothing but the commands, and imports nothing but its own parts. */
const FOLDER = 'replicas/transition/';
const ROOT = `${FOLDER}market.ts`;

/** Names of the language and of Node that see the outside, keep time, or compute with fractions or locales. */
const GLOBALS_BANNED = [
  ...['Date', 'performance', 'process', 'crypto', 'navigator', 'Temporal', 'Intl', 'globalThis', 'require', 'console'],
  ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch', 'Worker', 'Promise', 'eval', 'Function'],
  ...['WeakRef', 'FinalizationRegistry', 'parseFloat', 'BigInt', 'BigInt64Array', 'BigUint64Array'],
];
/** Exact on integers on every machine; the others of Math differ between engines or give fractions. */
const MATH_ALLOWED = ['abs', 'ceil', 'clz32', 'floor', 'imul', 'max', 'min', 'sign', 'trunc'];
const ROUNDING = ['Math.ceil', 'Math.floor', 'Math.trunc'];
const BITWISE = ['|', '&', '^', '>>', '>>>', '<<'];
const METHODS_BANNED = ['toFixed', 'toPrecision', 'toExponential', 'localeCompare', 'parseFloat'];
/** What they give depends on the order in which things were put in, which a snapshot does not keep. */
const ORDERED_BY_HISTORY = ['Map', 'Set', 'ReadonlyMap', 'ReadonlySet'];
const KEY_LISTS = ['Object.keys', 'Object.values', 'Object.entries', 'Object.getOwnPropertyNames', 'Reflect.ownKeys'];

export const determinism: Rule = (tree) => {
  const found = tree.has(ROOT) ? [] : [`${ROOT}:1: the state transition is not there`];
  const transition = reached(sourcesOf(tree));
  const collections = new Set(transition.flatMap(namesOfCollections));
  for (const source of transition) {
    const report = (line: number, construct: string): void => {
      found.push(`${source.path}:${line}: ${construct} in the state transition`);
    };
    for (const { specifier, path, line } of source.references) if (!path?.startsWith(FOLDER)) report(line, specifier);
    walk(source.module, (node, around) => {
      if (/^Ts(TypeAnnotation|Interface|TypeAlias|TypeParameter)/.test(node.type)) return false;
      const construct = constructOf(node, around, collections);
      if (construct !== undefined) report(source.lineOf(node), construct);
      return undefined;
    });
  }
  return found;
};

function constructOf(node: SyntaxNode, around: readonly SyntaxNode[], collections: Set<string>): string | undefined {
  const outer = around.at(-1);
  switch (node.type) {
    case 'Identifier': {
      const name = nameIn(node) ?? '';
      if (!isGlobal(node)) return undefined;
      if (name === 'BigInt' || name.startsWith('Big')) return 'BigInt';
      if (GLOBALS_BANNED.includes(name)) return name;
      return name === 'Math' && globalMember(outer) === undefined ? 'Math' : undefined;
    }
    case 'MemberExpression': {
      const global = globalMember(node);
      if (global?.startsWith('Math.')) return MATH_ALLOWED.includes(global.slice(5)) ? undefined : global;
      if (global !== undefined && KEY_LISTS.includes(global)) return global;
      const property = nameIn(node['property']) ?? '';
      return METHODS_BANNED.includes(property) || property.startsWith('toLocale') ? property : undefined;
    }
    case 'CallExpression':
      return iteratingCall(node, collections);
    case 'BigIntLiteral':
      return 'BigInt';
    case 'NumericLiteral':
      return Number.isInteger(node['value']) ? undefined : 'a fraction';
    case 'BinaryExpression':
      return arithmetic(node, around);
    case 'AssignmentExpression':
      return node['operator'] === '/=' || node['operator'] === '**=' ? `${node['operator']}` : undefined;
    case 'AwaitExpression':
      return 'await';
    case 'ForInStatement':
      return 'for-in';
    case 'ForOfStatement':
      if (node['await'] === true) return 'for-await';
      return isCollection(node['right'], collections) ? 'iteration over a Map or Set' : undefined;
    case 'ArrayExpression':
      return spreads(node['elements'], collections) ? 'iteration over a Map or Set' : undefined;
    case 'Import':
      return 'import()';
    default:
      return node['async'] === true ? 'async' : undefined;
  }
}

/** Division gives fractions unless it is rounded on the spot; outside functions it only makes constants. */
function arithmetic(node: SyntaxNode, around: readonly SyntaxNode[]): string | undefined {
  const operator = node['operator'];
  if (operator !== '/' && operator !== '**') return undefined;
  if (!around.some((one) => 'body' in one && one.type !== 'Module')) return undefined;
  if ([node['left'], node['right']].every((side) => isNode(side) && side.type === 'NumericLiteral')) return undefined;
  if (operator === '**') return '**';
  const outer = around.findLast((one) => one.type !== 'ParenthesisExpression');
  const rounded = outer?.type === 'CallExpression' && ROUNDING.includes(globalMember(outer['callee']) ?? '');
  const bitwise = outer?.type === 'BinaryExpression' && BITWISE.includes(String(outer['operator']));
  return rounded || bitwise ? undefined : 'a division that is not rounded at once';
}

function spreads(items: unknown, collections: Set<string>): boolean {
  const spread = (items as ({ spread: unknown; expression: unknown } | null)[]).filter((item) => item?.spread);
  return spread.some((item) => isCollection(item?.expression, collections));
}

function iteratingCall(node: SyntaxNode, collections: Set<string>): string | undefined {
  if (spreads(node['arguments'], collections)) return 'iteration over a Map or Set';
  const callee = isNode(node['callee']) && isNode(node['callee']['base']) ? node['callee']['base'] : node['callee'];
  if (!isNode(callee) || callee.type !== 'MemberExpression') return undefined;
  const method = nameIn(callee['property']) ?? '';
  const values = node['arguments'] as { expression: unknown }[];
  const onGlobal = globalMember(callee);
  if (onGlobal === 'Array.from' && isCollection(values[0]?.expression, collections))
    return 'iteration over a Map or Set';
  if (['keys', 'values', 'entries'].includes(method) && values.length === 0) return `.${method}()`;
  return method === 'forEach' && isCollection(callee['object'], collections)
    ? 'iteration over a Map or Set'
    : undefined;
}

function isCollection(node: unknown, collections: Set<string>): boolean {
  if (!isNode(node)) return false;
  if (node.type === 'NewExpression') return ORDERED_BY_HISTORY.includes(nameIn(node['callee']) ?? '');
  const name = nameIn(node) ?? nameIn(node['property']);
  return name !== undefined && collections.has(name);
}

/** Names of variables, parameters and fields that hold a Map or Set, by their type or their first value. */
function namesOfCollections(source: Source): string[] {
  const names: string[] = [];
  walk(source.module, (node) => {
    const name = nameIn(node) ?? nameIn(node['key']) ?? nameIn(node['id']);
    const annotation = isNode(node['typeAnnotation']) ? node['typeAnnotation']['typeAnnotation'] : undefined;
    const type = isNode(annotation) ? nameIn(annotation['typeName']) : undefined;
    const first = isNode(node['init']) ? node['init'] : node['value'];
    const made = isNode(first) && first.type === 'NewExpression' ? nameIn(first['callee']) : undefined;
    if (name !== undefined && [type, made].some((one) => one !== undefined && ORDERED_BY_HISTORY.includes(one)))
      names.push(name);
    return undefined;
  });
  return names;
}

/** The root and all that it imports, types left aside. */
function reached(sources: readonly Source[]): Source[] {
  const paths = [ROOT];
  for (const path of paths) {
    const references = sources.find((source) => source.path === path)?.references ?? [];
    for (const to of references) {
      if (to.path !== undefined && !to.typeOnly && !paths.includes(to.path)) paths.push(to.path);
    }
  }
  return sources.filter((source) => paths.includes(source.path));
}
