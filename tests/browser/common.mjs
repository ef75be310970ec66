// What the journeys in a browser have in common: Debian's Chromium, what is waited for, and what must never be seen.
import { chromium } from 'playwright-core';

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--host-resolver-rules=MAP radgram.example 127.0.0.1',
];

export function expect(holds, what) {
  if (!holds) throw new Error(`expected ${what}`);
}

export async function says(page, text) {
  await page.getByText(text).first().waitFor();
}

export async function cursorIn(page, id) {
  await page.waitForFunction((wanted) => document.activeElement.id === wanted, id);
}

export async function fits(page) {
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(beyond <= 0, `${page.url()} to fit the width, it is ${beyond} pixels wider`);
}

// Runs a journey in one page of a browser; the browser may complain of nothing.
export async function inBrowser(journey) {
  const complaints = [];
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
  try {
    const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
    page.setDefaultTimeout(30_000);
    // A form that comes back is a 422, which the browser writes down too; what the content policy stops must not occur.
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().includes('422')) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    await journey(page);
    expect(complaints.length === 0, `no complaints of the browser, there are: ${complaints.join('; ')}`);
  } finally {
    await browser.close();
  }
}
