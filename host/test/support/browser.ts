import { chromium, type Browser, type Page } from 'playwright-core';

const flags = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
  // Chromium refuses its sandbox to root, as whom tests run in containers.
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
];

/** Starts a headless browser. */
export function startBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, headless: true, args: flags, timeout: 60_000 });
}

/** A page, and what it did that it should not do. */
export interface WatchedPage {
  readonly page: Page;
  /** Errors and warnings of the console, uncaught errors, dialogs; answers with an error status aside. */
  readonly complaints: string[];
  /** All addresses that were asked for. */
  readonly requested: string[];
}

/** Opens an empty page in a context of its own (storage, size) and watches it. */
export async function openPage(browser: Browser, width = 1280): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints: string[] = [];
  const requested: string[] = [];
  page.on('console', (message) => {
    // The browser itself notes every answer that is an error; the tests provoke some.
    if (/^Failed to load resource: the server responded/.test(message.text())) return;
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => requested.push(request.url()));
  return { page, complaints, requested };
}
