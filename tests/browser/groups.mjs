// Groups in a real browser: add one, put accounts in, say something of them, see on an account whose word holds, take out.
// Arguments: the address of the web UI. It has the operator `root`, the accounts `ann` and `bob`, and a router `office`.
import { cursorIn, expect, fits, inBrowser, says } from './common.mjs';

const [address, name, password] = process.argv.slice(2);

async function logIn(page) {
  await page.goto(`${address}/log-in`);
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');
  await says(page, 'Overview');
}

async function add(page) {
  await page.getByRole('link', { name: 'Groups' }).press('Enter');
  await says(page, 'No groups yet');
  await page.getByLabel('Name').fill('none');
  await page.keyboard.press('Enter');
  await says(page, 'none is the word for no group');
  await cursorIn(page, 'group');
  await page.getByLabel('Name').fill('Field staff');
  await page.keyboard.press('Enter');
  await says(page, 'The group is added');
}

async function fill(page) {
  await page.getByLabel('Accounts to put in').fill('ann\nzoe');
  await page.getByRole('button', { name: 'Put them in' }).press('Enter');
  await says(page, 'no account is named zoe');
  await cursorIn(page, 'names');
  await page.getByLabel('Accounts to put in').fill('ann, bob');
  await page.getByRole('button', { name: 'Put them in' }).press('Enter');
  await says(page, '2 accounts put into Field staff.');
}

async function say(page) {
  await page.locator('#attributes-field').fill('Mikrotik-Rate-Limit = fast');
  await page.getByRole('button', { name: 'Save the attributes' }).press('Enter');
  await says(page, 'expected rx[/tx]');
  await cursorIn(page, 'attributes-field');
  await page.locator('#attributes-field').fill('Mikrotik-Rate-Limit = 20M/20M\nMikrotik-Group = staff');
  await page.getByRole('button', { name: 'Save the attributes' }).press('Enter');
  await says(page, 'The attributes hold from the next log-in on.');
  await page.getByRole('link', { name: 'Change them' }).press('Enter');
  await says(page, 'Settings of the group Field staff');
  const hours = page.locator('#session_hours');
  await hours.getByLabel('session_hours').fill('8');
  await hours.getByRole('button', { name: 'Set here' }).press('Enter');
  await says(page, 'Set here: 8');
}

async function seeWhy(page) {
  await page.getByRole('link', { name: 'Accounts' }).press('Enter');
  await page.getByRole('link', { name: 'ann', exact: true }).press('Enter');
  await page.locator('#attributes').fill('Mikrotik-Group = boss');
  await page.getByRole('button', { name: 'Save the attributes' }).press('Enter');
  await says(page, 'not said: a nearer one has the name');
  const rate = page.getByRole('row', { name: 'Mikrotik-Rate-Limit' });
  expect((await rate.innerText()).includes('the group Field staff'), 'the rate to be the group’s');
  const hours = page.getByRole('row', { name: 'session_hours' });
  expect((await hours.innerText()).includes('8'), 'the hours to be the group’s');
}

async function fitsATelephone(page) {
  const before = page.viewportSize();
  await page.setViewportSize({ width: 390, height: 800 });
  for (const path of ['/groups', '/groups/1', '/groups/1/settings', '/accounts', '/accounts/1', '/routers/1/attributes']) {
    await page.goto(`${address}${path}`);
    await fits(page);
  }
  await page.setViewportSize(before);
}

async function takeOutAndRemove(page) {
  await page.goto(`${address}/groups/1`);
  await page.getByRole('row', { name: 'bob' }).getByRole('checkbox').press('Space');
  await page.getByRole('button', { name: 'Take the ticked ones out' }).press('Enter');
  await says(page, '1 account taken out of Field staff.');
  await page.getByText('Remove the group…').click();
  await page.getByRole('button', { name: 'Remove the group' }).press('Enter');
  await says(page, 'Field staff is removed; accounts left without a group: 1.');
}

await inBrowser(async (page) => {
  await logIn(page);
  await add(page);
  await fill(page);
  await say(page);
  await seeWhy(page);
  await fitsATelephone(page);
  await takeOutAndRemove(page);
});
