import type { Circuit } from './constraints.ts';
import type { ExpressionNode, NodeFacts } from './expressions.ts';
import { P } from './field.ts';

/** The circuit in Markdown: its columns, constraints and buses, as they are proven. */
export function constraintTable(circuit: Circuit): string {
  const formula = (id: number): string => print(circuit, id);
  const degree = (id: number): number => (circuit.facts[id] as NodeFacts).degree;
  const explained = circuit.meanings.some((meaning) => meaning !== '');
  const authored = circuit.constraints.slice(0, circuit.authored);
  return [
    `# Circuit ${circuit.name}, version ${circuit.version}`,
    `Degree ${circuit.degree}; public inputs: ${circuit.publics.join(', ') || 'none'}.`,
    `${circuit.columns.length} columns, ${authored.length} constraints, ${circuit.entries.length} bus entries. The buses add ` +
      `${circuit.constraints.length - authored.length} constraints and ${circuit.helpers} columns over the extension.`,
    explained
      ? meaningTable(circuit)
      : table(
          ['group', 'columns'],
          circuit.groups.map(({ name, first, columns }) => [
            name,
            circuit.columns
              .slice(first, first + columns)
              .map(code)
              .join(' '),
          ]),
        ),
    table(
      ['constraint', 'rows', 'degree', 'is zero'],
      authored.map(({ name, rows, node }) => [name, rows, String(degree(node)), code(formula(node))]),
    ),
    table(
      ['bus', 'entry', 'times', 'message'],
      circuit.entries.map(({ bus, name, multiplicity, message }) => [
        circuit.buses[bus] as string,
        name,
        code(formula(multiplicity)),
        message.map((part) => code(formula(part))).join(' '),
      ]),
    ),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
    .concat('\n');
}

function meaningTable({ groups, columns, meanings, bits }: Circuit): string {
  const groupOf = (index: number): string => groups.findLast(({ first }) => first <= index)?.name ?? '';
  return table(
    ['group', 'column', 'bits', 'meaning'],
    columns.map((name, index) => [groupOf(index), code(name), String(bits[index]), meanings[index] ?? '']),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return lines.join('\n');
}

function code(text: string): string {
  return `\`${text}\``;
}

function print(circuit: Circuit, id: number): string {
  const node = circuit.nodes[id] as ExpressionNode;
  switch (node.kind) {
    case 'constant':
      return String(node.value > P / 2 ? node.value - P : node.value);
    case 'public':
      return circuit.publics[node.index] as string;
    case 'column':
      return `${circuit.columns[node.index]}${node.next ? "'" : ''}`;
    case 'helper':
      return `helper ${node.index}${node.next ? "'" : ''}`;
    case 'challenge':
      return node.index === 0 ? 'alpha' : `beta^${node.index}`;
    case 'multiply':
      return `${factor(circuit, node.left)} * ${factor(circuit, node.right)}`;
    case 'add':
      return `${print(circuit, node.left)} + ${print(circuit, node.right)}`;
    case 'subtract':
      return `${print(circuit, node.left)} - ${factor(circuit, node.right)}`;
  }
}

function factor(circuit: Circuit, id: number): string {
  const { kind } = circuit.nodes[id] as ExpressionNode;
  const text = print(circuit, id);
  return kind === 'add' || kind === 'subtract' || text.startsWith('-') ? `(${text})` : text;
}
