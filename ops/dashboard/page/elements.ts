// Parts of the page: HTML by id, SVG by name. Texts are only ever set as texts.

export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found as E;
}

/** Changes nothing that is as it should be: the page is drawn once a second. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Marks it as in want of attention, or as good. */
export function mark(element: Element, look: 'good' | 'warn' | 'bad' | undefined): void {
  for (const one of ['good', 'warn', 'bad']) element.classList.toggle(one, one === look);
}

/** Says all texts that the markup has a place for under this name. */
export function show(name: string, text: string, look?: 'good' | 'warn' | 'bad'): void {
  for (const element of document.querySelectorAll(`[data-show="${name}"]`)) {
    say(element, text);
    mark(element, look);
  }
}

/** Rows of a table, as many as there are texts; those that are there are used again. */
export function showRows(body: HTMLElement, rows: readonly (readonly string[])[]): HTMLTableRowElement[] {
  const table = body as HTMLTableSectionElement;
  while (table.rows.length > rows.length) table.deleteRow(-1);
  return rows.map((cells, index) => {
    const row = table.rows[index] ?? table.insertRow();
    for (const [place, text] of cells.entries()) say(row.cells[place] ?? row.insertCell(), text);
    return row;
  });
}

/** As many rows of as many cells, in which nothing is yet. */
export function emptyRows(rows: number, cells: number): string[][] {
  return Array<string[]>(rows).fill(Array<string>(cells).fill(''));
}

const SVG = 'http://www.w3.org/2000/svg';

export function svg<N extends keyof SVGElementTagNameMap>(
  name: N,
  attributes: Readonly<Record<string, string | number>>,
  ...children: readonly (SVGElement | string)[]
): SVGElementTagNameMap[N] {
  const element = document.createElementNS(SVG, name);
  set(element, attributes);
  element.append(...children);
  return element;
}

export function set(element: Element, attributes: Readonly<Record<string, string | number>>): void {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
}

/** A picture with a name for those who do not see it. */
export function picture(width: number, height: number, name: string): SVGSVGElement {
  return svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': name });
}
