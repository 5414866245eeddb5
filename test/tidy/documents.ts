import { posix } from 'node:path';
import { exists, type Rule, type Tree, textFiles } from './tree.ts';

const LINK = /!?\[[^\]]*\]\(\s*<?([^)>\s]+)>?(?:\s+"[^"]*")?\s*\)/g;
const MENTION = /`([\w.@/-]*[\w-]\.ts)`/g;

/** Relative links in Markdown lead to a file or folder of the project, and to a heading where they name one. */
export const deadLinks: Rule = (tree) =>
  prose(tree).flatMap(({ path, line, text }) =>
    [...text.matchAll(LINK)].flatMap(([, target = '']) => {
      if (/^[a-z][\w+.-]*:/i.test(target)) return [];
      const [file = '', heading] = target.split('#');
      const to =
        file === '' ? path : posix.normalize(posix.join(file.startsWith('/') ? '' : posix.dirname(path), file));
      if (!exists(tree, to)) return [`${path}:${line}: link to ${target}: no such file`];
      const wanted = heading !== undefined && to.endsWith('.md') ? heading : undefined;
      return wanted === undefined || headings(tree.get(to) ?? '').has(wanted)
        ? []
        : [`${path}:${line}: link to ${target}: no such heading`];
    }),
  );

/** A file that a document names in code letters exists, under that path or somewhere by that name. */
export const deadMentions: Rule = (tree) =>
  prose(tree).flatMap(({ path, line, text }) =>
    [...text.matchAll(MENTION)].flatMap(([, mention = '']) => {
      const name = posix.normalize(mention);
      const lives = [...tree.keys()].some((one) => one === name || one.endsWith(`/${name.replace(/^(\.\.\/)+/, '')}`));
      return lives ? [] : [`${path}:${line}: names ${mention}: no such file`];
    }),
  );

/** The lines of every Markdown file, those inside code fences left out. */
function prose(tree: Tree): { path: string; line: number; text: string }[] {
  return textFiles(tree, /\.md$/).flatMap(([path, whole]) => {
    let fenced = false;
    return whole.split('\n').flatMap((text, index) => {
      if (/^\s*(```|~~~)/.test(text)) fenced = !fenced;
      return fenced ? [] : [{ path, line: index + 1, text }];
    });
  });
}

/** Headings as GitHub turns them into anchors. */
function headings(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, title = ''] of text.matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const plain = title.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = plain.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
    let unique = anchor;
    for (let again = 1; anchors.has(unique); again++) unique = `${anchor}-${again}`;
    anchors.add(unique);
  }
  for (const [, id = ''] of text.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)) anchors.add(id);
  return anchors;
}
