// A day of an operator in a real browser, mostly by keyboard: log in, approve, bind, grant, end, log out.
// Arguments: the address of the web UI. It has the operator `root` and one pending application of Boris.
import { cursorIn, expect, fits, inBrowser, says } from './common.mjs';

const [address, name, password] = process.argv.slice(2);

async function logIn(page) {
  await page.goto(`${address}/users`);
  expect(page.url() === `${address}/log-in?next=%2Fusers`, `the log-in page, not ${page.url()}`);
  await cursorIn(page, 'name');
  await page.keyboard.type(name);
  await page.keyboard.press('Tab');
  await cursorIn(page, 'password');
  await page.keyboard.type(password);
  await page.keyboard.press('Enter');
  await page.waitForURL(`${address}/users`);
}

async function skipsTheLinks(page) {
  await page.keyboard.press('Tab');
  expect(await page.locator('a.skip:focus').count() === 1, 'the first stop of Tab to be the skip link');
  await page.keyboard.press('Enter');
  await cursorIn(page, 'main');
}

async function approve(page) {
  await page.getByRole('row', { name: 'Boris' }).getByRole('button', { name: 'Approve' }).press('Enter');
  await says(page, 'Boris is approved. Now bind an account.');
}

async function bind(page) {
  await page.getByLabel('Account 1', { exact: false }).first().fill('boris');
  await page.getByLabel('Password of account 1').fill('correct password of boris');
  await page.keyboard.press('Enter');
  await says(page, 'Saved.');
  expect(await page.getByLabel('Password of account 1').inputValue() === '', 'the password not to come back');
}

async function grant(page) {
  await page.getByRole('link', { name: 'Sessions' }).press('Enter');
  await says(page, 'No session is open.');
  await page.getByLabel('Account', { exact: true }).fill('nobody');
  await page.keyboard.press('Enter');
  await says(page, 'no account has this name');
  await cursorIn(page, 'account');
  await page.getByLabel('Account', { exact: true }).fill('boris');
  await page.getByLabel('Hours', { exact: true }).fill('8');
  await page.keyboard.press('Enter');
  await says(page, 'The session is granted');
  await says(page, 'in 8 h');
}

async function end(page) {
  await page.getByRole('row', { name: 'boris' }).getByRole('button', { name: 'End', exact: true }).press('Enter');
  await says(page, 'No session is open.');
}

async function everyPageFitsATelephone(page) {
  await page.setViewportSize({ width: 390, height: 800 });
  for (const path of ['/', '/users', '/users/1', '/accounts', '/sessions', '/attempts', '/routers', '/routers/new',
    '/settings', '/operators', '/audit', '/password']) {
    await page.goto(address + path);
    await fits(page);
  }
}

async function logOut(page) {
  await page.getByRole('button', { name: 'Log out' }).press('Enter');
  await page.waitForURL(`${address}/log-in`);
  await page.goto(`${address}/users`);
  expect(page.url().startsWith(`${address}/log-in`), 'the pages to be shut after the log-out');
}

await inBrowser(async (page) => {
  await logIn(page);
  await skipsTheLinks(page);
  await approve(page);
  await bind(page);
  await grant(page);
  await end(page);
  await everyPageFitsATelephone(page);
  await logOut(page);
});
