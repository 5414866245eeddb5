import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, launch } from 'puppeteer-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** Where Chromium is; undefined if it is not on the PATH, which is then said. */
export function findChromium(tests: string): string | undefined {
  const found = (process.env['PATH'] ?? '')
    .split(delimiter)
    .flatMap((place) => NAMES.map((name) => join(place, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
  if (found === undefined) process.stderr.write(`no chromium on the PATH: ${tests} are left out\n`);
  return found;
}

/**
 * Without a window.
 * @param acceptInsecureCerts those of an authority that exists for a test
 */
export function launchChromium(executablePath: string, acceptInsecureCerts = false): Promise<Browser> {
  // Chromium refuses to have a sandbox for root.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return launch({ executablePath, args, pipe: true, acceptInsecureCerts });
}
