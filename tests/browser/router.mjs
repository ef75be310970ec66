// An owner sets a router up in a real browser: add, script, API, certificate, rule, doctor, adoption.
// Arguments: the address of the web UI with the operator `root`; where the router's API is, the password of its user, the
// fingerprint of its certificate; a secret that no page may show.
import { expect, fits, inBrowser, says } from './common.mjs';

const [address, name, password, api, apiPassword, fingerprint, secret] = process.argv.slice(2);

async function logIn(page) {
  await page.goto(`${address}/log-in`);
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');
  await page.waitForURL(`${address}/`);
}

async function tab(page, label) {
  await page.getByRole('navigation', { name: 'Pages of office' }).getByRole('link', { name: label, exact: true }).press('Enter');
  await page.waitForFunction((wanted) => document.querySelector('.tabs a[aria-current="page"]').textContent === wanted, label);
}

async function showsNoSecret(page) {
  const content = await page.content();
  expect(!content.includes(secret) && !content.includes(apiPassword), `no secret in ${page.url()}`);
}

async function addsTheRouter(page) {
  await page.getByRole('link', { name: 'Add the first router' }).press('Enter');
  await page.getByLabel('Name').fill('office');
  await page.getByLabel('Address or network').fill('127.0.0.1');
  await page.getByLabel('RADIUS secret').fill(secret);
  await page.keyboard.press('Enter');
  await says(page, 'office is added and may ask at once.');
}

async function readsTheScript(page) {
  await page.getByLabel('radgram’s address').fill('127.0.0.1');
  await page.getByRole('button', { name: 'Show' }).press('Enter');
  await says(page, '/radius incoming set accept=yes port=3799');
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download radgram.rsc' }).press('Enter'),
  ]);
  expect(download.suggestedFilename() === 'radgram.rsc', 'the script as a file');
  await showsNoSecret(page);
}

async function givesTheLogIn(page) {
  await tab(page, 'API');
  await page.getByLabel('Address', { exact: true }).fill(api);
  await page.getByLabel('Password').fill(apiPassword);
  await page.getByRole('button', { name: 'Save and test' }).press('Enter');
  await says(page, 'Saved. It does not work yet: the router shows a certificate that is not trusted.');
  await showsNoSecret(page);
}

async function comparesTheCertificate(page) {
  const shown = (await page.locator('.print').first().innerText()).replaceAll(/\s/g, '');
  expect(shown === fingerprint, `the fingerprint ${fingerprint}, not ${shown}`);
  await page.getByRole('button', { name: 'Trust this certificate' }).press('Enter');
  await says(page, 'The certificate is trusted. The router answers: MikroTik, RouterOS 7');
  await page.locator('.state.good', { hasText: 'up' }).waitFor();
}

async function bindsARule(page) {
  await tab(page, 'Rules');
  const row = page.getByRole('row', { name: '2FA ann' });
  await row.getByRole('combobox').fill('nobody');
  await page.keyboard.press('Enter');
  await says(page, 'no account has this name');
  await row.getByRole('combobox').fill('ann');
  await page.keyboard.press('Enter');
  await says(page, 'The rule is bound to ann');
}

async function asksTheDoctor(page) {
  await tab(page, 'Doctor');
  await page.getByRole('button', { name: 'Examine now' }).press('Enter');
  await says(page, /Examined: \d+ findings/);
  const finding = page.locator('.finding', { hasText: '/radius incoming accepts nothing.' });
  await finding.getByRole('checkbox').press('Space');
  await page.getByRole('button', { name: 'Mend what is ticked' }).press('Enter');
  await says(page, 'Run these commands on office?');
  const commands = await page.locator('pre.commands').allInnerTexts();
  expect(commands.length === 1 && commands[0].trim() === '/radius incoming set accept=yes port=3799', `one command, not ${commands}`);
  await page.getByRole('button', { name: 'Run them' }).press('Enter');
  await says(page, '1 of 1 repairs are done');
  expect(await finding.count() === 0, 'the finding to be gone');
}

async function adoptsAnAccount(page) {
  await tab(page, 'Accounts');
  await page.getByRole('row', { name: 'boris' }).getByRole('checkbox').press('Space');
  await page.getByRole('button', { name: 'Go on' }).press('Enter');
  await page.getByRole('button', { name: 'Try it out' }).press('Enter');
  await says(page, '1 of 1 can be done.');
  await page.getByRole('button', { name: 'Adopt the 1 that can be' }).press('Enter');
  await says(page, '1 of 1 done.');
  await showsNoSecret(page);
}

async function everyPageFitsATelephone(page) {
  await page.setViewportSize({ width: 390, height: 800 });
  for (const path of ['', '/rules', '/accounts', '/accounts/new', '/doctor', '/script', '/api', '/settings', '/jobs/1']) {
    await page.goto(`${address}/routers/1${path}`);
    await page.getByRole('heading', { name: 'office' }).waitFor();
    await fits(page);
    await showsNoSecret(page);
  }
}

await inBrowser(async (page) => {
  await logIn(page);
  await addsTheRouter(page);
  await readsTheScript(page);
  await givesTheLogIn(page);
  await comparesTheCertificate(page);
  await bindsARule(page);
  await asksTheDoctor(page);
  await adoptsAnAccount(page);
  await everyPageFitsATelephone(page);
});
