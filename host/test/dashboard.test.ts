import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { startHost, until, type HostProcess } from '../../scripts/testing/host-process.mjs';
import { describeWith } from '../../scripts/testing/with-runtime.mjs';
import { openPage, startBrowser } from './support/browser.js';
import { openWire } from './support/wire.js';

const plugin = fileURLToPath(new URL('./fixtures/dashboard-plugin.mjs', import.meta.url));
const callerKey = 'caller-key-1234';
const adminKey = 'admin-key-12345';
/** Runs when it is taken for markup, in whatever place. */
const hostile = `"><img src=x onerror="window.harmed=1"><script>window.harmed=2</script></style>{{7*7}}`;

interface Stats {
  readonly totals: { readonly requests: number; readonly output_tokens: number };
  readonly plugins: readonly {
    readonly name: string;
    readonly traffic: { readonly tokens_per_second: number; readonly duration_p99_ms: number | null };
    readonly instances: readonly { readonly instance_id: string; readonly traffic: { samples: number } }[];
  }[];
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dashboard-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function plugins(versionFile: string) {
  const command = [process.execPath, plugin];
  return {
    steady: { command, env: { PLUGIN_TITLE: 'Steady words', PLUGIN_VERSION_FILE: versionFile } },
    nasty: { command, env: { PLUGIN_NAME: 'nasty', PLUGIN_TITLE: hostile, PLUGIN_RUNTIME: hostile } },
  };
}

/** The value of a JSON-RPC answer, which comes as an event. */
function rpcResult(text: string): Record<string, unknown> {
  const data = /^data: (\{.*)$/m.exec(text)?.[1] ?? text;
  return (JSON.parse(data) as { result: Record<string, unknown> }).result;
}

/** Asks a model and reads the answer to its end. */
async function generate(host: HostProcess, model: string, prompt: string, key?: string): Promise<string> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const answer = await host.post('/v1/completions', { model, prompt, stream: true }, { headers });
  return answer.text();
}

async function stats(host: HostProcess): Promise<Stats> {
  return (await (await fetch(`${host.url}/mcp/v1/stats`)).json()) as Stats;
}

describe('the files of the dashboard', () => {
  let host: HostProcess;
  beforeAll(async () => {
    const { nasty } = plugins('');
    host = await startHost({ auth: { apiKeys: [callerKey] }, plugins: { nasty } });
  });
  afterAll(async () => {
    await host.stop();
  });

  it('are sent without a key, under a strict policy, and are not sent twice', async () => {
    for (const path of ['/', '/dashboard/dashboard.js', '/dashboard/dashboard.css']) {
      const answer = await fetch(host.url + path, { headers: { accept: 'text/html,*/*' } });
      expect([path, answer.status]).toEqual([path, 200]);
      const policy = answer.headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'");
      expect(policy).not.toContain('unsafe');
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      const etag = answer.headers.get('etag') ?? '';
      const again = await fetch(host.url + path, { headers: { accept: 'text/html', 'if-none-match': etag } });
      expect([again.status, await again.text()]).toEqual([304, '']);
    }
  });

  it('name no other place and hold no script of their own', async () => {
    const html = await (await fetch(host.url)).text();
    expect(html).not.toMatch(/(src|href)="(?!\/dashboard\/|\/mcp\/v1\/|data:image|#)/);
    expect(html).not.toMatch(/<script(?![^>]* src=)|<style|\son\w+=|style=/);
    expect(html).toContain('<noscript>');
  });

  it('are the only thing that a stranger gets', async () => {
    for (const path of ['/mcp/v1/stats', '/mcp/v1/plugins', '/mcp/v1/events', '/dashboard/../package.json']) {
      expect([path, (await fetch(host.url + path)).status]).toEqual([path, 401]);
    }
    const good = await fetch(`${host.url}/mcp/v1/stats`, {
      headers: { authorization: `Bearer ${callerKey}` },
    });
    expect(good.status).toBe(200);
  });

  it('are refused under a name that is not this host', async () => {
    const status = await new Promise((resolve, reject) => {
      const { port } = new URL(host.url);
      const request = httpRequest(
        { host: '127.0.0.1', port, headers: { host: 'evil.example' } },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        },
      );
      request.on('error', reject).end();
    });
    expect(status).toBe(403);
  });

  it('tell the events to MCP clients too, as a resource', async () => {
    const headers = { authorization: `Bearer ${callerKey}`, accept: 'application/json, text/event-stream' };
    const clientInfo = { name: 'test', version: '1' };
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
    const opened = await host.post(
      '/mcp',
      { jsonrpc: '2.0', id: 1, method: 'initialize', params },
      { headers },
    );
    expect(rpcResult(await opened.text())).toHaveProperty('capabilities');
    const session = { ...headers, 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' };
    const read = { jsonrpc: '2.0', id: 2, method: 'resources/read', params: { uri: 'events://recent' } };
    await until(async () => {
      const { contents } = rpcResult(await (await host.post('/mcp', read, { headers: session })).text());
      const [content] = contents as { text: string; mimeType: string }[];
      expect(content?.mimeType).toBe('application/json');
      const { events } = JSON.parse(content?.text ?? '') as {
        events: { plugin: string; instance_id?: string }[];
      };
      return events.some(
        (event) => event.plugin === 'nasty' && /^[0-9a-f-]{8,}$/.test(event.instance_id ?? ''),
      );
    }, 'the start of the plugin is told');
  });

  it('give way to a word about the product for a program', async () => {
    const answer = await fetch(host.url, { headers: { accept: 'application/json' } });
    expect(await answer.json()).toMatchObject({ name: 'outrigger', openapi: '/openapi.json', mcp: '/mcp' });
  });
});

describeWith('chromium', 'the dashboard in a browser', ({ path }) => {
  let browser: Browser;
  let host: HostProcess;
  let versionFile: string;

  beforeAll(async () => {
    versionFile = join(folder, 'version');
    await writeFile(versionFile, '1.0.0');
    browser = await startBrowser(path);
    host = await startHost({ plugins: plugins(versionFile) });
    await host.hasModel('steady/words');
    await host.hasModel('nasty/words');
  }, 90_000);
  afterAll(async () => {
    await browser.close();
    await host.stop();
  }, 30_000);

  const card = (page: Page, name: string) => page.locator(`[data-plugin="${name}"]`);

  it('shows plugins, and numbers that move under load', async () => {
    const { page, complaints, requested } = await openPage(browser);
    await page.goto(host.url);
    await card(page, 'steady').getByText('active').first().waitFor();
    expect(await card(page, 'steady').textContent()).toContain('Steady words');
    await page.locator('#link[data-state=live]').waitFor();
    const figure = page.locator('[data-figure=tokens] .value');
    const before = (await stats(host)).totals.output_tokens;
    expect(await figure.textContent()).toBe(String(before));

    await Promise.all(Array.from({ length: 5 }, () => generate(host, 'steady/words', '20 2')));
    await until(async () => (await figure.textContent()) === String(before + 100), 'the tokens are shown');
    const shown = card(page, 'steady').locator('.numbers dd').first();
    await until(async () => Number(await shown.textContent()) > 0, 'the rate is shown');
    const { traffic, instances } = (await stats(host)).plugins.find(({ name }) => name === 'steady') ?? {};
    expect(traffic?.duration_p99_ms).toBeGreaterThan(0);
    expect(instances?.[0]?.traffic.samples).toBe(5);

    expect(requested.filter((url) => !url.startsWith(host.url) && !url.startsWith('data:'))).toEqual([]);
    expect(complaints).toEqual([]);
    await page.context().close();
  }, 60_000);

  it('shows a swap as it happens: the old one drains beside the new one', async () => {
    const { page, complaints } = await openPage(browser);
    await page.goto(host.url);
    const rows = card(page, 'steady').locator('tbody tr');
    await rows.first().waitFor();
    const old = (await rows.first().getAttribute('data-instance')) ?? '';
    const row = (id: string) => card(page, 'steady').locator(`tr[data-instance="${id}"]`);
    const inFlight = async (id: string) => Number(await row(id).locator('.number').textContent());
    // They end one after the other, long after the commit.
    const streams = [60, 120, 180].map((pieces) => generate(host, 'steady/words', `${pieces} 50`));
    await until(async () => (await inFlight(old)) === 3, 'three in flight are shown');

    await writeFile(versionFile, '2.0.0');
    await card(page, 'steady').getByRole('button', { name: 'Swap' }).click();
    await card(page, 'steady').locator(`tr[data-instance="${old}"][data-state=draining]`).waitFor();
    expect(await rows.count()).toBe(2);
    expect(await rows.first().textContent()).toContain('2.0.0');
    expect(await rows.first().getAttribute('data-state')).toBe('active');
    expect(await inFlight(old)).toBeGreaterThan(0);
    await until(async () => (await row(old).count()) === 0 || (await inFlight(old)) < 3, 'it counts down');
    for (const answer of await Promise.all(streams)) expect(answer).toContain('[DONE]');
    await until(async () => (await row(old).count()) === 0, 'the old one is gone');
    await page.locator('#events').getByText('swapped 1.0.0 for 2.0.0').waitFor();
    await until(
      async () => (await page.locator('#announcer').textContent())?.includes('steady') ?? false,
      'the swap is announced',
    );
    expect(complaints).toEqual([]);
    await page.context().close();
  }, 90_000);

  it('says in the words of the host why a swap was refused, and the old one stays', async () => {
    const { page, complaints } = await openPage(browser);
    await page.goto(host.url);
    const row = card(page, 'steady').locator('tbody tr').first();
    const old = await row.getAttribute('data-instance');
    await rm(versionFile);
    try {
      await card(page, 'steady').getByRole('button', { name: 'Swap' }).click();
      await page.locator('#notice', { hasText: /Cannot swap steady: .*no such file/ }).waitFor();
    } finally {
      await writeFile(versionFile, '2.0.1');
    }
    expect(await row.getAttribute('data-instance')).toBe(old);
    await page.getByRole('button', { name: 'Dismiss' }).click();
    await page.locator('#notice').waitFor({ state: 'hidden' });
    expect(complaints).toEqual([]);
    await page.context().close();
  }, 60_000);

  it('asks before it drains, and shows why a plugin stands still', async () => {
    const { page, complaints } = await openPage(browser, 390);
    await page.goto(host.url);
    const drain = card(page, 'steady').getByRole('button', { name: 'Drain' });
    await drain.focus();
    await page.keyboard.press('Enter');
    await page.locator('#confirm[open]').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('#confirm[open]').waitFor({ state: 'hidden' });
    expect(await card(page, 'steady').locator('[data-verb=drain]:focus').count()).toBe(1);
    expect(await card(page, 'steady').locator('.pill').first().textContent()).toBe('active');

    await drain.click();
    await page.locator('#confirm-yes').click();
    await card(page, 'steady').locator('.names .pill', { hasText: 'stopped' }).waitFor();
    await card(page, 'steady').getByText('drained by an operator').waitFor();
    await card(page, 'steady').getByRole('button', { name: 'Restart' }).click();
    await card(page, 'steady').locator('.names .pill', { hasText: 'active' }).waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
    expect(complaints).toEqual([]);
    await page.context().close();
  }, 60_000);

  it('shows what a hostile plugin says as the text that it is', async () => {
    const { page, complaints } = await openPage(browser);
    await page.goto(host.url);
    await card(page, 'nasty').locator('.about', { hasText: hostile }).waitFor();
    await generate(host, 'nasty/words', 'die').catch(() => '');
    await page.locator('#events li', { hasText: '<script>window.harmed=2</script>' }).first().waitFor();
    await host.hasModel('nasty/words');
    expect(await page.locator('main img, main script, main style').count()).toBe(0);
    expect(await page.evaluate('window.harmed')).toBeUndefined();
    expect(complaints).toEqual([]);
    await page.context().close();
  }, 60_000);

  it('goes on with the events after the connection was lost', async () => {
    const { page } = await openPage(browser);
    await using wire = await openWire(host.url);
    await page.goto(wire.url);
    await page.locator('#link[data-state=live]').waitFor();
    await page.locator('#events li').first().waitFor();
    const resumed = page.waitForRequest((request) => request.headers()['last-event-id'] !== undefined);
    await wire.cut();
    await page.locator('#link[data-state=waiting]').waitFor();
    await page.locator('#notice', { hasText: 'the host does not answer' }).waitFor();
    const before = await page.locator('#events li').count();
    await host.post('/mcp/v1/plugins/steady/swap', {});
    await wire.mend();
    await page.locator('#link[data-state=live]').waitFor();
    expect(Number.parseInt((await resumed).headers()['last-event-id'] ?? '')).toBe(before);
    await until(async () => (await page.locator('#events li').count()) > before, 'what was missed is shown');
    await page.locator('#notice').waitFor({ state: 'hidden' });
    await page.context().close();
  }, 60_000);

  it('begins anew with the events of a host that has started again', async () => {
    const { page } = await openPage(browser);
    await using wire = await openWire(host.url);
    await page.goto(wire.url);
    await page.locator('#events li', { hasText: 'steady' }).first().waitFor();
    const other = await startHost({ plugins: { nasty: plugins(versionFile).nasty } });
    try {
      await other.hasModel('nasty/words');
      await wire.cut();
      await page.locator('#link[data-state=waiting]').waitFor();
      await wire.mend(other.url);
      await page.locator('[data-plugin=steady]').waitFor({ state: 'detached' });
      await page.locator('#events li', { hasText: 'nasty' }).first().waitFor();
      await until(
        async () => (await page.locator('#events li', { hasText: 'steady' }).count()) === 0,
        'the events of the old host are gone',
      );
    } finally {
      await other.stop();
    }
    await page.context().close();
  }, 60_000);
});

describeWith('chromium', 'the dashboard of a host with keys', ({ path }) => {
  let browser: Browser;
  let host: HostProcess;

  beforeAll(async () => {
    const versionFile = join(folder, 'locked-version');
    await writeFile(versionFile, '1.0.0');
    browser = await startBrowser(path);
    host = await startHost({
      auth: { apiKeys: [callerKey] },
      admin: { apiKey: adminKey },
      plugins: plugins(versionFile),
    });
  }, 60_000);
  afterAll(async () => {
    await browser.close();
    await host.stop();
  }, 30_000);

  it('asks for the key, says what is wrong with it, and keeps it in this tab alone', async () => {
    const { page, complaints } = await openPage(browser);
    await page.goto(host.url);
    await page.locator('#key[open]').waitFor();
    expect(await page.locator('[data-plugin]').count()).toBe(0);
    await page.fill('#key-input', 'not-the-right-key');
    await page.keyboard.press('Enter');
    await page.locator('#key-error', { hasText: 'the API key is not known here' }).waitFor();
    await page.fill('#key-input', 'schlüssel');
    await page.keyboard.press('Enter');
    await page.locator('#key-error', { hasText: 'visible ASCII' }).waitFor();
    await page.fill('#key-input', callerKey);
    await page.keyboard.press('Enter');
    const steady = page.locator('[data-plugin=steady]');
    await steady.locator('.names .pill', { hasText: 'active' }).waitFor();
    await page.locator('#link[data-state=live]').waitFor();
    expect(await page.evaluate('[localStorage.length, document.cookie, location.search]')).toEqual([
      0,
      '',
      '',
    ]);

    // The key of a caller does not administer; the reason is the host's, and the administrator's key helps.
    const instance = await steady.locator('tbody tr').first().getAttribute('data-instance');
    await steady.getByRole('button', { name: 'Swap' }).click();
    await page.locator('#key-error', { hasText: 'the API key is not known here' }).waitFor();
    expect(await steady.locator('tbody tr').first().getAttribute('data-instance')).toBe(instance);
    await page.fill('#key-input', adminKey);
    await page.keyboard.press('Enter');
    await page.locator('#key[open]').waitFor({ state: 'hidden' });
    await steady.getByRole('button', { name: 'Swap' }).click();
    await until(
      async () => (await steady.locator('tbody tr').first().getAttribute('data-instance')) !== instance,
      'another instance',
    );

    await page.click('#key-button');
    await page.click('#key-forget');
    await page.locator('#notice', { hasText: 'asks for an API key' }).waitFor();
    expect(await page.locator('[data-plugin], #events li').count()).toBe(0);
    expect(complaints).toEqual([]);
    await page.context().close();
  }, 90_000);
});
